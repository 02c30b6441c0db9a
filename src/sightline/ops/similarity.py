"""Thumbnails and distances between pictures that hold under small shifts, crops and light changes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@lru_cache(maxsize=256)
def resampling(size: int, out: int) -> np.ndarray:
    """(out, size) float32 weights of a triangle filter that shrinks without aliasing or enlarges."""
    scale = size / out
    reach = max(scale, 1.0)
    centres = (np.arange(out) + 0.5) * scale - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(size)[None] - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(1, keepdims=True), dtype=np.float32)


def grey(images: np.ndarray) -> np.ndarray:
    """(..., H, W, C) of any number type, C 1 or 3, to (..., H, W) float32 in the same range."""
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    return np.asarray(images.astype(np.float32) @ LUMA)


def thumbnails(greys: np.ndarray, side: int) -> np.ndarray:
    """(..., H, W) float32 to (..., side, side) float32; the aspect ratio is not kept."""
    rows, columns = resampling(greys.shape[-2], side), resampling(greys.shape[-1], side)
    return np.asarray(rows @ (greys @ columns.T))
