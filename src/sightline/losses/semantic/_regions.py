"""Shared by region losses: class probabilities without ignored pixels, and means over the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX

EPS = 1e-7
"""Keeps quotients of empty classes finite; in pixels."""


def split(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Class probabilities and one-hot targets, both 0 at ignored pixels.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64.

    Returns:
        (B, K, H, W) float32 and bool.
    """
    probabilities = logits.float().softmax(1).masked_fill((target == IGNORE_INDEX)[:, None], 0.0)
    classes = torch.arange(logits.shape[1], device=target.device)
    return probabilities, target[:, None] == classes[:, None, None]


def per_class(values: Tensor) -> Tensor:
    """(B, K, H, W) to (K,) sums over the batch."""
    return values.sum((0, 2, 3))


def shared(probabilities: Tensor, target: Tensor) -> Tensor:
    """(K,) soft intersection: the sum of a class's probabilities over its target pixels."""
    return per_class(probabilities.masked_fill(~target, 0.0))


def mean_over_classes(values: Tensor, present: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted mean of (K,) finite values over the classes present; 0 with a gradient of 0 if none is."""
    each = present.float() if weights is None else present * weights.to(values)
    return (each * values).sum() / each.sum().clamp(min=1e-12)
