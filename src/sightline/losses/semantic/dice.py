"""Soft Dice loss: one minus the Dice coefficient, with probabilities."""

from __future__ import annotations

from torch import Tensor

from sightline.losses.semantic import LossCard
from sightline.losses.semantic._regions import EPS, mean_over_classes, per_class, shared, split

CARD = LossCard(
    name="dice",
    summary="one minus the Dice coefficient of each class, with probabilities (squared in the denominator)",
    paper="Milletari et al., V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image "
    "Segmentation, 3DV 2016, section 3",
)


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the classes in the targets of 1 - 2 sum(p g) / (sum(p^2) + sum(g^2)).

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.

    Returns:
        Scalar in [0, 1].
    """
    probabilities, masks = split(logits, target)
    pixels = per_class(masks)
    values = 1 - 2 * shared(probabilities, masks) / (pixels + per_class(probabilities.square())).clamp(
        min=EPS
    )
    return mean_over_classes(values, pixels > 0, weights)
