"""Shared by pixelwise losses: the log loss of each pixel, and weighted means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX

_EPS = 1e-12
"""Keeps quotients finite where nothing has a weight."""


def log_losses(logits: Tensor, target: Tensor) -> Tensor:
    """(B, H, W) float32 negative log-likelihood of the target class; 0 at ignored pixels."""
    return F.cross_entropy(logits.float(), target, ignore_index=IGNORE_INDEX, reduction="none")


def weights_of(target: Tensor, weights: Tensor | None) -> Tensor:
    """(B, H, W) float32 weight of each pixel: the weight of its class, 0 at ignored pixels."""
    valid = target != IGNORE_INDEX
    if weights is None:
        return valid.float()
    each = weights.to(target.device, torch.float32)[target.masked_fill(~valid, 0)]
    return each.masked_fill(~valid, 0.0)


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of (B, H, W); 0 with a gradient of 0 if all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp(min=_EPS)
