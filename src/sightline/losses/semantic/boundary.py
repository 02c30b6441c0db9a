"""Boundary loss: one minus the boundary F1 score, with probabilities."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.losses.semantic import LossCard
from sightline.losses.semantic._regions import EPS, mean_over_classes, per_class, split

CARD = LossCard(
    name="boundary",
    summary="one minus the F1 score of the borders of each class, within two pixels; add it to another",
    paper="Bokhovkin & Burnaev, Boundary Loss for Remote Sensing Imagery Semantic Segmentation, ISNN 2019",
)
WIDTH, REACH = 3, 5
"""Sides in pixels of the squares that find a border and that say what lies near it; the paper's theta."""


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the classes with a border in the targets of 1 - F1 of precision and recall of borders.

    A class borders on the other classes, not on ignored pixels and not on the edge of the image. A batch
    whose targets have no border has no loss; so this loss is meant for sums such as ce+boundary.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.

    Returns:
        Scalar in [0, 1].
    """
    probabilities, masks = split(logits, target)
    valid = (target != IGNORE_INDEX)[:, None].float()
    edge, true = _border(probabilities, valid), _border(masks.float(), valid)
    precision = per_class(edge * _near(true)) / per_class(edge).clamp(min=EPS)
    recall = per_class(true * _near(edge)) / per_class(true).clamp(min=EPS)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=EPS)
    return mean_over_classes(1 - f1, per_class(true) > 0, weights)


def _border(mask: Tensor, valid: Tensor) -> Tensor:
    """(B, K, H, W) how much each pixel is a border pixel of its class, in [0, 1]."""
    outside = (1 - mask) * valid
    return (F.max_pool2d(outside, WIDTH, 1, WIDTH // 2) - outside) * valid


def _near(border: Tensor) -> Tensor:
    """(B, K, H, W) borders dilated by max pooling: how near each pixel is to a border, in [0, 1]."""
    return F.max_pool2d(border, REACH, 1, REACH // 2)
