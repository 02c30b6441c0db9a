"""Affine maps of pixel coordinates, in any number of dimensions.

A map is (d, d + 1): x' = A x + t, with A in the first d columns and t in the last. Coordinates come in the
order x, y (, z), while sizes come as arrays have them: (depth,) height, width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def identity_affine(n: int, d: int) -> Tensor:
    """(n, d, d + 1) float64 maps that leave everything where it is."""
    return torch.eye(d, d + 1, dtype=torch.float64).repeat(n, 1, 1)


def invert_affine(affine: Tensor) -> Tensor:
    """(B, d, d + 1) maps that undo others.

    Raises:
        RuntimeError: If one of them cannot be undone, since it flattens a dimension.
    """
    d = affine.shape[1]
    linear = torch.linalg.inv(affine[:, :, :d])
    return torch.cat([linear, -linear @ affine[:, :, d:]], 2)


def compose_affine(second: Tensor, first: Tensor) -> Tensor:
    """(B, d, d + 1) maps that do `first`, and then `second`."""
    d = first.shape[1]
    moved = second[:, :, :d] @ first
    moved[:, :, d:] += second[:, :, d:]
    return moved


def apply_affine(affine: Tensor, points: Tensor) -> Tensor:
    """Where (B, N, d) points go by (B, d, d + 1) maps."""
    d = affine.shape[1]
    return points @ affine[:, :, :d].transpose(1, 2) + affine[:, :, d:].transpose(1, 2)
