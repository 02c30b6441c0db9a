"""Affine warp of pixel maps with numpy alone, for the light runtime too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.uint8]

IGNORE_INDEX = 255
"""What pixels hold that have no class: they are neither trained on nor scored."""
EDGE = 1e-6
"""What a place is moved by before it is rounded down, so that 0.999... of arithmetic falls where 1 does."""


def sampled(pixels: Map, place: NDArray[Any], window: Sequence[int], outside: int) -> Map:
    """Warp a map (H, W) by nearest neighbor: each new pixel gets the value of the old pixel at its center.

    Args:
        pixels: (H, W) uint8.
        place: (2, 3) affine matrix from old pixel coordinates to new ones.
        window: x1, y1, x2, y2 of what is wanted, in new pixels, the far edge outside the last one.
        outside: Value of what was not in the map.

    Returns:
        (y2 - y1, x2 - x1) uint8.
    """
    back = np.linalg.inv(np.vstack([np.asarray(place, dtype=np.float64), [0, 0, 1]]))
    x, y = np.arange(window[0], window[2]) + 0.5, np.arange(window[1], window[3])[:, None] + 0.5
    height, width = pixels.shape
    if back[0, 1] == 0 and back[1, 0] == 0:
        columns, rows = back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]
    else:
        columns = back[0, 0] * x + back[0, 1] * y + back[0, 2]
        rows = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    columns, rows = (np.floor(v + EDGE).astype(np.int64) for v in (columns, rows))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    values = pixels[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return values if inside.all() else np.where(inside, values, np.uint8(outside))


def visible_window(
    part: tuple[int, int, Map], place: NDArray[np.float64], size: Sequence[int]
) -> tuple[int, int, Map]:
    """Warp and clip the part of an image that an object lies in.

    Args:
        part: x and y of its top left pixel, and (h, w) uint8, 1 where the object is.
        place: (2, 3) affine matrix from old pixel coordinates to new ones.
        size: New height and width.
    """
    x, y, crop = part
    h, w = crop.shape
    height, width = size
    ends = place[:, :2] @ np.array([[x, x + w, x, x + w], [y, y, y + h, y + h]]) + place[:, 2:]
    low, high = np.floor(ends.min(1) + EDGE), np.ceil(ends.max(1) - EDGE)
    x1, y1 = np.clip(low, 0, (width, height)).astype(int).tolist()
    x2, y2 = np.clip(high, 0, (width, height)).astype(int).tolist()
    if h == 0 or w == 0 or x2 <= x1 or y2 <= y1:
        return x1, y1, np.zeros((0, 0), dtype=np.uint8)
    here = np.column_stack([place[:, :2], place[:, :2] @ (x, y) + place[:, 2]])
    return x1, y1, sampled(crop, here, (x1, y1, x2, y2), 0)
