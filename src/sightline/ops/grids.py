"""Mask pasting: resample masks that are predicted as grids over boxes into the image. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MIN_SCALE = 0.5
"""What a pixel of an object must have at least."""


def pasted(grid: Floats, box: Sequence[Any], size: Sequence[int]) -> tuple[int, int, NDArray[np.bool_]]:
    """Paste a mask grid into an image: bilinear interpolation between the centers of the cells.

    Beyond the outermost centres it falls to 0 within a cell, so that a mask may reach half a cell over
    its box, as torchvision and Detectron2 have it. Boxes are not rounded to whole pixels first.

    Args:
        grid: (S, S) in [0, 1]; a pixel with at least 0.5 belongs to the object.
        box: x1, y1, x2, y2 in pixels of the image, with an area; in double precision.
        size: Height and width of the image.

    Returns:
        x and y of the top left pixel, and (h, w) what of the pixels near the box is the object.
    """
    x1, y1, x2, y2 = box
    rows, top = _between(y1, y2, grid.shape[0], size[0])
    columns, left = _between(x1, x2, grid.shape[1], size[1])
    return left, top, rows @ grid @ columns.T >= MIN_SCALE


def _between(low: float, high: float, side: int, length: int) -> tuple[Floats, int]:
    """(pixels, side) interpolation weights of cells for the pixels of a box, and the first pixel."""
    cell = (high - low) / side
    first = min(max(0, int(np.floor(low - cell))), length)
    last = min(max(first, int(np.ceil(high + cell))), length)
    place = (np.arange(first, last) + 0.5 - low) / cell - 0.5
    weights = 1 - np.abs(place[:, None] - np.arange(side))
    return np.asarray(weights.clip(min=0), dtype=np.float32), first
