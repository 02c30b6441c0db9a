"""Soft Jaccard loss: one minus the intersection over union (IoU), with probabilities."""

from __future__ import annotations

from torch import Tensor

from sightline.losses.semantic import LossCard
from sightline.losses.semantic._regions import EPS, mean_over_classes, per_class, shared, split

CARD = LossCard(
    name="jaccard",
    summary="one minus the intersection over union of each class, with probabilities",
    paper="Rahman & Wang, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation, "
    "ISVC 2016",
)


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the classes in the targets of 1 - y.y' / (y + y' - y.y').

    y is the target of a class at all pixels of the batch, y' its probabilities; y and y' alone are sums.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.

    Returns:
        Scalar in [0, 1].
    """
    probabilities, masks = split(logits, target)
    pixels, both = per_class(masks), shared(probabilities, masks)
    values = 1 - both / (pixels + per_class(probabilities) - both).clamp(min=EPS)
    return mean_over_classes(values, pixels > 0, weights)
