"""Pure functions of the masks of objects: the pixels that two share, and their overlap.

Only pairs whose rectangles overlap are looked at, each in the part that the rectangles share; what
is asked for by a least overlap is looked at only where the areas leave room for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets.bitmaps import Bitmaps

Array = NDArray[Any]

_HELD = 2**26
"""Pixels of unpacked masks that are kept for further pairs: 64 MB."""


def iou(a: Bitmaps, b: Bitmaps, crowd: Tensor | None = None) -> Tensor:
    """Intersection over union of all pairs of masks in one picture, in [0, 1]; 0 where both are empty.

    Args:
        a: A masks.
        b: B masks.
        crowd: (B,) bool which of `b` stand for groups: there it is the share of the pixels of `a` that
            lie in the group; or None: none does.

    Returns:
        (A, B) float64.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """
    boxes1, boxes2 = a.boxes().numpy(), b.boxes().numpy()
    near = np.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    far = np.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    of, other = np.nonzero((near < far).all(2))
    group = None if crowd is None else crowd.cpu().numpy()
    result = np.zeros((len(a), len(b)))
    result[of, other] = ious(a, b, of, other, group)
    return torch.from_numpy(result)


def ious(
    a: Bitmaps, b: Bitmaps, of: Array, other: Array, crowd: Array | None = None, least: float = 0.0
) -> Array:
    """Overlaps of some pairs of masks.

    Args:
        a: A masks.
        b: B masks.
        of: (P,) rows of `a`; fast if equal ones lie together.
        other: (P,) rows of `b`; fast if those of one picture lie together.
        crowd: (B,) bool; see `iou`.
        least: Pairs with less may be said to have 0.

    Returns:
        (P,) float64.
    """
    both, first, second = shared(a, b, of, other, crowd, least)
    either = first + second - both
    if crowd is not None:
        either = np.where(crowd[other], first, either)
    return np.asarray(np.divide(both, either, out=np.zeros(len(both)), where=both > 0))


def shared(
    a: Bitmaps, b: Bitmaps, of: Array, other: Array, crowd: Array | None = None, least: float = 0.0
) -> tuple[Array, Array, Array]:
    """Pixels that some pairs of masks share, and the areas of both; arguments as for `ious`.

    Returns:
        (P,) int64 pixels of both, pixels of the mask of `a`, pixels of that of `b`. Shared pixels are 0
        where the overlap cannot reach `least`.
    """
    counts = np.zeros((3, len(of)), dtype=np.int64)
    group = [False] * len(b) if crowd is None else crowd.tolist()
    ours, theirs = _Masks(a), _Masks(b)
    for p, (i, j) in enumerate(zip(of.tolist(), other.tolist(), strict=True)):
        ax, ay, crop1, area = ours.read(i)
        bx, by, crop2, other_area = theirs.read(j)
        counts[1, p], counts[2, p] = area, other_area
        x1, x2 = max(ax, bx), min(ax + crop1.shape[1], bx + crop2.shape[1])
        y1, y2 = max(ay, by), min(ay + crop1.shape[0], by + crop2.shape[0])
        if x2 <= x1 or y2 <= y1:
            continue
        most = min((x2 - x1) * (y2 - y1), area, other_area)
        if most < least * (area if group[j] else area + other_area - most):
            continue
        counts[0, p] = np.count_nonzero(
            crop1[y1 - ay : y2 - ay, x1 - ax : x2 - ax] & crop2[y1 - by : y2 - by, x1 - bx : x2 - bx]
        )
    return counts[0], counts[1], counts[2]


class _Masks:
    """Masks that are unpacked and counted once, as long as they are held."""

    def __init__(self, masks: Bitmaps) -> None:
        self.corners, self.crops = masks.corners.tolist(), masks.crops
        self.known: dict[int, tuple[int, int, NDArray[np.bool_], int]] = {}
        self.held = 0

    def read(self, i: int) -> tuple[int, int, NDArray[np.bool_], int]:
        """x, y, pixels and area of mask i."""
        entry = self.known.get(i)
        if entry is None:
            crop = self.crops[i].read().view(np.bool_)
            if self.held > _HELD:
                self.known, self.held = {}, 0
            x, y = self.corners[i]
            entry = self.known[i] = (x, y, crop, int(np.count_nonzero(crop)))
            self.held += crop.size
        return entry
