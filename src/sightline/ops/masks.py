"""Mask IoU: intersection and overlap of pairs of object masks.

Only pairs whose bounding rectangles overlap are computed, each within the common rectangle. With a minimum
overlap, only pairs whose areas can reach it are computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets.bitmaps import CroppedMasks

Array = NDArray[Any]

_BUFFER_BYTES = 2**26
"""Pixels of unpacked masks that are kept for further pairs: 64 MB."""


def iou(a: CroppedMasks, b: CroppedMasks, crowd: Tensor | None = None) -> Tensor:
    """IoU of all pairs of masks in one image, in [0, 1]; 0 where both are empty.

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
    a: CroppedMasks, b: CroppedMasks, of: Array, other: Array, crowd: Array | None = None, least: float = 0.0
) -> Array:
    """IoU of some pairs of masks.

    Args:
        a: A masks.
        b: B masks.
        of: (P,) rows of `a`; fast if equal ones lie together.
        other: (P,) rows of `b`; fast if those of one image lie together.
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
    a: CroppedMasks, b: CroppedMasks, of: Array, other: Array, crowd: Array | None = None, least: float = 0.0
) -> tuple[Array, Array, Array]:
    """Intersection of some pairs of masks, and the areas of both; arguments as for `ious`.

    Returns:
        (P,) int64 pixels of both, pixels of the mask of `a`, pixels of that of `b`. Shared pixels are 0
        where the overlap cannot reach `least`.
    """
    group = [False] * len(b) if crowd is None else crowd.tolist()
    ours, theirs = _Masks(a, of), _Masks(b, other)
    counts = []
    for p, (i, j) in enumerate(zip(of.tolist(), other.tolist(), strict=True)):
        ax1, ay1, ax2, ay2, crop1, area = ours.read(i, p)
        bx1, by1, bx2, by2, crop2, other_area = theirs.read(j, p)
        x1, y1 = ax1 if ax1 > bx1 else bx1, ay1 if ay1 > by1 else by1
        x2, y2 = ax2 if ax2 < bx2 else bx2, ay2 if ay2 < by2 else by2
        most = min((x2 - x1) * (y2 - y1), area, other_area) if x1 < x2 and y1 < y2 else 0
        both = 0
        if most and most >= least * (area if group[j] else area + other_area - most):
            part = crop1[y1 - ay1 : y2 - ay1, x1 - ax1 : x2 - ax1]
            both = int(np.count_nonzero(part & crop2[y1 - by1 : y2 - by1, x1 - bx1 : x2 - bx1]))
        counts.append((both, area, other_area))
    columns = np.array(counts, dtype=np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


class _Masks:
    """Cache of unpacked masks and their areas; each is dropped after its last use.

    Args:
        masks: All of them.
        first_ids: (P,) number of the mask that each pair asks for. One that stays after its last pair would
            not only take memory: fresh memory for the next takes longer than what has just been used.
    """

    def __init__(self, masks: CroppedMasks, first_ids: Array) -> None:
        self.corners, self.crops = masks.corners.tolist(), masks.crops
        self.last = dict(zip(first_ids.tolist(), range(len(first_ids)), strict=True))
        self.known: dict[int, tuple[int, int, int, int, NDArray[np.bool_], int]] = {}
        self.held = 0

    def read(self, i: int, p: int) -> tuple[int, int, int, int, NDArray[np.bool_], int]:
        """(x1, y1, x2, y2, pixels (h, w) bool, area) of mask i, for pair p."""
        entry = self.known.get(i)
        if entry is None:
            crop = self.crops[i].read().view(np.bool_)
            (x, y), (height, width) = self.corners[i], crop.shape
            entry = (x, y, x + width, y + height, crop, int(np.count_nonzero(crop)))
            if self.last[i] == p:
                return entry
            if self.held > _BUFFER_BYTES:
                self.known, self.held = {}, 0
            self.known[i] = entry
            self.held += crop.size
        elif self.last[i] == p:
            del self.known[i]
            self.held -= entry[4].size
        return entry
