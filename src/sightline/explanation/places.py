"""From the pixels of the model's input back to those of the stored image: nothing of the padding stays."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.geometry import apply_affine


def inside_image(affine: Tensor, stored: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(H, W) bool of the input: which of its pixels show the image; the others are padding.

    Args:
        affine: (1, 2, 3) from stored image to input.
        stored: Height and width of the stored image.
        size: Height and width of the input.
    """
    corners = apply_affine(affine, torch.tensor([[[0.0, 0.0], [stored[1], stored[0]]]], dtype=torch.float64))
    (left, top), (right, bottom) = corners[0].tolist()
    rows, columns = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    shown: Tensor = ((rows > top) & (rows < bottom))[:, None] & ((columns > left) & (columns < right))
    return shown


def to_image(heat: Tensor, affine: Tensor, stored: tuple[int, int]) -> Tensor:
    """A map (..., H, W) of the input as one of the whole stored image, in the resolution of the input; 0
    where the model did not look: the border that --resize crop cuts off."""
    scale = affine[0].diagonal().flip(0).clamp(max=1)
    height, width = (max(1, round(side * float(k))) for side, k in zip(stored, scale, strict=True))
    y = (torch.arange(height, dtype=torch.float64) + 0.5) * stored[0] / height
    x = (torch.arange(width, dtype=torch.float64) + 0.5) * stored[1] / width
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).reshape(1, -1, 2)
    size = torch.tensor([heat.shape[-1], heat.shape[-2]], dtype=torch.float64)
    grid = (2 * apply_affine(affine, points) / size - 1).view(1, height, width, 2).float()
    flat = heat.reshape(1, -1, *heat.shape[-2:]).float()
    moved = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    outside = (grid.abs() > 1).any(3)
    return moved.masked_fill(outside[:, None], 0).view(*heat.shape[:-2], height, width)


def extent(pixels: Tensor, affine: Tensor, stored: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """x1, y1, x2, y2 in pixels of the stored image around nine tenths of pixels (..., H, W) of the input;
    None if there are none."""
    rows, columns = (v.numpy() for v in pixels.nonzero().unbind(1)[-2:])
    if not len(rows):
        return None
    low, high = ((np.quantile(columns, q), np.quantile(rows, q)) for q in (0.05, 0.95))
    corners = torch.tensor([[low, (high[0] + 1, high[1] + 1)]], dtype=torch.float64)
    back = (corners - affine[:, :, 2][:, None]) / affine[0].diagonal()
    (x1, y1), (x2, y2) = back[0].tolist()
    return (max(0, round(x1)), max(0, round(y1)), min(stored[1], round(x2)), min(stored[0], round(y2)))
