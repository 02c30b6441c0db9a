"""Hand-crafted image features: downsampled pixels and histograms of oriented gradients (HOG)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def small_image_features(images: NDArray[np.uint8], *, cells: int = 4, bins: int = 8) -> NDArray[np.float32]:
    """Features of an image: a downsampled copy, and histograms of oriented gradients.

    The histograms follow the idea of Dalal and Triggs, CVPR 2005: gradients vote for their
    direction, weighted by strength, in a grid of cells, and the whole is normalised.

    Args:
        images: (N, H, W, C) uint8.
        cells: Cells of the histogram along each side.
        bins: Directions in [0, pi).

    Returns:
        (N, D) float32.
    """
    chunks = [_features(images[i : i + 512], cells, bins) for i in range(0, len(images), 512)]
    return np.concatenate(chunks)


def _features(images: NDArray[np.uint8], cells: int, bins: int) -> NDArray[np.float32]:
    """(N, D) features of one chunk of images (N, H, W, C)."""
    n, h, w, _ = images.shape
    x = images.astype(np.float32) / np.float32(255)
    gray = x.mean(3)
    gy, gx = np.gradient(gray, axis=(1, 2))
    strength = np.hypot(gx, gy).astype(np.float32)
    nearest = ((np.arctan2(gy, gx) % np.pi) / np.pi * bins).astype(int) % bins
    votes = [_pooled(np.where(nearest == b, strength, np.float32(0)), cells) for b in range(bins)]
    histogram = np.stack(votes, 1).reshape(n, -1)
    histogram /= np.linalg.norm(histogram, axis=1, keepdims=True) + 1e-6
    side = min(h, w, 12)
    thumbnail = np.stack([_pooled(x[..., c], side) for c in range(x.shape[3])], 1).reshape(n, -1)
    return np.concatenate([thumbnail, histogram], 1).astype(np.float32)


def _pooled(gray: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Average pooling over a grid: (N, H, W) to (N, cells, cells), for any H and W at least `cells`."""
    rows = np.linspace(0, gray.shape[1], cells + 1).astype(int)
    columns = np.linspace(0, gray.shape[2], cells + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(gray, rows[:-1], axis=1), columns[:-1], axis=2)
    area = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    return np.asarray(sums / area, dtype=np.float32)
