"""What the losses of single pixels share: the log loss of each, and weighted means of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.targets.masks import VOID

_LEAST = 1e-12
"""Keeps quotients finite where nothing has a weight."""


def log_losses(logits: Tensor, target: Tensor) -> Tensor:
    """(B, H, W) float32 -log of the probability of the true class; 0 where there is none."""
    return F.cross_entropy(logits.float(), target, ignore_index=VOID, reduction="none")


def weights_of(target: Tensor, weights: Tensor | None) -> Tensor:
    """(B, H, W) float32 weight of each pixel: that of its class, 0 where it has none."""
    valid = target != VOID
    if weights is None:
        return valid.float()
    each = weights.to(target.device, torch.float32)[target.masked_fill(~valid, 0)]
    return each.masked_fill(~valid, 0.0)


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of (B, H, W); 0 with a gradient of 0 where all weights are."""
    return (values * weights).sum() / weights.sum().clamp(min=_LEAST)
