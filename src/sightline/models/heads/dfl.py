"""Distribution focal loss (DFL): distances as distributions over whole numbers, with their mean and loss.

Source: Li et al., Generalized Focal Loss, NeurIPS 2020, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.ops.boxes import from_distances


def expectation(logits: Tensor) -> Tensor:
    """Mean of the distribution over 0, 1, ..., n - 1: (..., n) logits to (...), in float32."""
    chances = logits.float().softmax(-1)
    return (chances * torch.arange(logits.shape[-1], dtype=torch.float32, device=logits.device)).sum(-1)


def distribution_focal_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross-entropy with the two whole numbers around a distance, each weighted by nearness (equation 6).

    Args:
        logits: (..., n).
        distances: (...) in steps; those outside [0, n - 1] count as its ends.

    Returns:
        (...) float32.
    """
    n = logits.shape[-1]
    goal = distances.float().clamp(0, n - 1)
    below = goal.floor().clamp(max=n - 2).long()
    share = goal - below
    logs = F.log_softmax(logits.float(), -1)
    neighbors = logs.gather(-1, torch.stack([below, below + 1], -1))
    return -(neighbors[..., 0] * (1 - share) + neighbors[..., 1] * share)


def peaked(n: int, at: float, width: float = 2.0) -> Tensor:
    """(n,) logits of a Gaussian around `at`: the initial bias, so that boxes start near that distance."""
    return -((torch.arange(n) - at).square() / (2 * width**2))


def decoded(places: Tensor, bins: Tensor) -> Tensor:
    """Decode boxes (..., A, 4) xyxy in pixels, float32, from distributions of the distances to their sides.

    Args:
        places: (..., A, 3) centre x, centre y, stride.
        bins: (..., A, 4 * n) logits of each distance: left, top, right, bottom, in strides.
    """
    distances = expectation(bins.reshape(*bins.shape[:-1], 4, bins.shape[-1] // 4))
    return from_distances(places[..., :2], distances * places[..., 2:])
