"""Tversky loss: like Dice, with separate weights for false positives and false negatives."""

from __future__ import annotations

from torch import Tensor

from sightline.losses.semantic import LossCard
from sightline.losses.semantic._regions import EPS, mean_over_classes, per_class, shared, split

CARD = LossCard(
    name="tversky",
    summary="one minus the Tversky index of each class: false negatives cost more than false positives",
    paper="Salehi et al., Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep "
    "Networks, MLMI 2017",
)


def loss(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, alpha: float = 0.3, beta: float = 0.7
) -> Tensor:
    """Mean over the classes in the targets of 1 - TP / (TP + alpha FP + beta FN), with probabilities.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.
        alpha: Cost of a pixel that is wrongly said to be of a class.
        beta: Cost of a pixel that is missed. With both 0.5 it is Dice without squares, with both 1 Jaccard.

    Returns:
        Scalar in [0, 1].
    """
    probabilities, masks = split(logits, target)
    pixels, both = per_class(masks), shared(probabilities, masks)
    false, missed = per_class(probabilities) - both, pixels - both
    values = 1 - both / (both + alpha * false + beta * missed).clamp(min=EPS)
    return mean_over_classes(values, pixels > 0, weights)
