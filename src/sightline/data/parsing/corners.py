"""Detection of boxes in the wrong convention: corners instead of sizes, or sizes instead of corners."""

from __future__ import annotations

from typing import Literal

import numpy as np

Written = Literal["corners", "sizes", "center"]
"""What the four numbers of a box are: x1, y1, x2, y2; x, y, width, height; or middle, width, height."""
_SLACK = 1.5  # pixels that a box may reach beyond the image
_MIN_BOXES = 2
"""Boxes from which on it can be said what most of them are."""
_CLOSE, _MOST = 0.01, 0.9
"""Areas are the same up to a share; and most of them are, for this share of the boxes."""


def mistaken(boxes: np.ndarray, sizes: np.ndarray, areas: np.ndarray, written: Written) -> str:
    """Convention that the numbers seem to follow, if it is not the format's; else "".

    That is where most boxes leave their image (or have their corners swapped), and all of them lie in it if
    read in the other manner; or where most areas that are given are those of the other manner only.

    Args:
        boxes: (M, 4) x1, y1, x2, y2 in pixels, as they were read.
        sizes: (M, 2) height and width of their images; zeros where they are not known.
        areas: (M,) as annotated, in square pixels; NaN where they are not.
        written: What the format says that the four numbers are.
    """
    finite = np.isfinite(boxes).all(1) & (sizes.min(1) > 0)
    boxes, areas = boxes[finite], areas[finite]
    if len(boxes) < _MIN_BOXES:
        return ""
    far = sizes[finite][:, ::-1] + _SLACK
    other = _other(boxes, written)
    fits = (other[:, :2] >= -_SLACK).all(1) & (other[:, 2:] <= far).all(1)
    fits &= (other[:, 2:] - other[:, :2] >= 1).all(1)  # slivers fit anywhere
    if written == "corners":
        wrong = (boxes[:, :2] > boxes[:, 2:]).any(1)
    else:
        wrong = (boxes[:, :2] < -_SLACK).any(1) | (boxes[:, 2:] > far).any(1)
    if fits.all() and (wrong.mean() > 0.5 or _by_area(boxes, other, areas)):
        return "x, y, width, height" if written == "corners" else "corners x1, y1, x2, y2"
    return ""


def _other(boxes: np.ndarray, written: Written) -> np.ndarray:
    """(M, 4) corners, if the numbers followed the other convention."""
    low, high = boxes[:, :2], boxes[:, 2:]
    if written == "corners":
        return np.hstack([low, low + high])
    return np.hstack([low if written == "sizes" else (low + high) / 2, high - low])


def _by_area(boxes: np.ndarray, other: np.ndarray, areas: np.ndarray) -> bool:
    """Whether most areas that are given are those of boxes in the other manner, and not in this one."""
    given = np.isfinite(areas) & (areas > 0)
    if not given.any():
        return False
    box_areas, others = ((b[:, 2:] - b[:, :2]).prod(1)[given] for b in (boxes, other))
    theirs = np.abs(others - areas[given]) <= _CLOSE * areas[given]
    mine = np.abs(box_areas - areas[given]) <= _CLOSE * areas[given]
    return bool((theirs & ~mine).mean() > _MOST)
