"""Sliding-window features for classical detectors: mean color and oriented gradients by integral images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CELL = 4
"""Pixels of a cell's side; windows are rounded to whole cells."""

Maps = NDArray[np.float32]


def cell_sums(images: NDArray[np.uint8], *, bins: int = 8) -> Maps:
    """Integral images of color and of gradient strength by direction, over cells.

    Args:
        images: (N, H, W, C) uint8.
        bins: Directions in [0, pi).

    Returns:
        (N, H // 4 + 1, W // 4 + 1, C + bins) float32: from four of these entries follows the sum over
        any window of cells.

    Source: Viola & Jones, Rapid object detection using a boosted cascade of simple features, CVPR 2001
    (integral image); Dalal & Triggs, Histograms of oriented gradients, CVPR 2005.
    """
    n, h, w, c = images.shape
    rows, columns = h // CELL, w // CELL
    sums = np.zeros((n, rows + 1, columns + 1, c + bins), dtype=np.float32)
    for i, image in enumerate(images):
        x = image.astype(np.float32) / np.float32(255)
        gy, gx = np.gradient(x.mean(2))
        strength = np.hypot(gx, gy)
        nearest = ((np.arctan2(gy, gx) % np.pi) / np.pi * bins).astype(int) % bins
        votes = np.where(nearest[..., None] == np.arange(bins), 4 * strength[..., None], np.float32(0))
        maps = np.concatenate([x, votes], 2)[: rows * CELL, : columns * CELL]
        cells = maps.reshape(rows, CELL, columns, CELL, -1).mean((1, 3))
        sums[i, 1:, 1:] = cells.cumsum(0).cumsum(1)
    return sums


def window_features(sums: Maps, boxes: NDArray[np.float32], *, grid: int = 3) -> Maps:
    """Features of windows (M, 4) of one image.

    Args:
        sums: (H', W', F) of one image, from `cell_sums`.
        boxes: (M, 4) x1, y1, x2, y2 in pixels.
        grid: Parts of the window along each side.

    Returns:
        (M, grid * grid * F + 2) means over the parts, and the logarithms of width and height.
    """
    steps = np.linspace(0, 1, grid + 1)
    edges = []
    for low, high, limit in ((0, 2, sums.shape[1] - 1), (1, 3, sums.shape[0] - 1)):
        first = np.clip(np.rint(boxes[:, low] / CELL), 0, limit - 1)
        last = np.clip(np.rint(boxes[:, high] / CELL), first + 1, limit)
        edges.append(np.rint(first[:, None] + (last - first)[:, None] * steps).astype(int))
    x, y = edges
    corner = sums[y[:, :, None], x[:, None, :]]
    total = corner[:, 1:, 1:] - corner[:, :-1, 1:] - corner[:, 1:, :-1] + corner[:, :-1, :-1]
    area = (np.diff(y, axis=1)[:, :, None] * np.diff(x, axis=1)[:, None, :])[..., None]
    means = total / np.maximum(area, 1)
    extent = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1))
    flat = means.reshape(len(boxes), math.prod(means.shape[1:]))  # -1 says nothing where there is no box
    return np.concatenate([flat, extent], 1).astype(np.float32)


def slide(size: tuple[int, int], shapes: NDArray[np.float32], share: float = 0.25) -> NDArray[np.float32]:
    """Sliding windows (M, 4) of S shapes over an image (height, width).

    Args:
        size: Of the image.
        shapes: Width and height of the windows in pixels.
        share: Step between neighbours as a share of the window's side, at least a cell.
    """
    height, width = size
    boxes = []
    for w, h in shapes:
        steps = [max(CELL, share * side) for side in (w, h)]
        left = np.arange(0, max(width - w, 0) + 1, steps[0])
        top = np.arange(0, max(height - h, 0) + 1, steps[1])
        x, y = (g.ravel() for g in np.meshgrid(left, top))
        boxes.append(np.stack([x, y, np.minimum(x + w, width), np.minimum(y + h, height)], 1))
    return np.concatenate(boxes).astype(np.float32) if boxes else np.zeros((0, 4), np.float32)
