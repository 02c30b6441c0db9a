"""Merging of duplicate detections of overlapping tiles. No torch, for the light runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Window = tuple[int, int, int, int]
"""x and y of the top left pixel, width and height."""
SAME_OBJECT_IOU = 0.7
"""Share of the smaller box inside the other from which on boxes of two tiles are one object."""


def distinct(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    tile: NDArray[np.int64],
    windows: Sequence[Window],
) -> NDArray[np.int64]:
    """Merge detections of overlapping tiles: rows that stay, best first; of duplicates the better one stays.

    Two boxes of one class from different tiles are one object where more than SAME of the smaller one lies
    in the other.

    Args:
        boxes: (M, 4) x1, y1, x2, y2 in pixels of the whole image, each within its tile.
        labels: (M,) class of each.
        scores: (M,) of each.
        tile: (M,) which of the windows it was seen in.
        windows: The tiles.
    """
    order = np.argsort(-scores, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    rows_of = [np.flatnonzero(tile == t) for t in range(len(windows))]
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for a, b, shared in _neighbors(windows):
        first, second = (rows[_touch(boxes[rows], shared)] for rows in (rows_of[a], rows_of[b]))
        i, j = np.nonzero(_same(boxes[first], boxes[second]) & (labels[first][:, None] == labels[second]))
        pairs.append(np.sort(np.column_stack([rank[first[i]], rank[second[j]]]), 1))
    keep = np.ones(len(order), dtype=bool)
    # From the best on: by its turn, whatever could cost an object its place has had its own.
    for better, worse in sorted(map(tuple, np.concatenate(pairs).tolist())):
        if keep[better]:
            keep[worse] = False
    return order[keep]


def _neighbors(windows: Sequence[Window]) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Pairs of overlapping tiles, and the x1, y1, x2, y2 that they share."""
    corners = np.array(windows, dtype=np.int64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    for a, corner in enumerate(corners):
        low = np.maximum(corners[a + 1 :, :2], corner[:2])
        high = np.minimum(corners[a + 1 :, 2:], corner[2:])
        for k in np.flatnonzero((high > low).all(1)).tolist():
            yield a, a + 1 + k, np.concatenate([low[k], high[k]])


def _touch(boxes: NDArray[np.float32], region: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,) bool: which boxes (M, 4) intersect a region."""
    inside = (boxes[:, :2] < region[2:]) & (boxes[:, 2:] > region[:2])
    touching: NDArray[np.bool_] = np.logical_and.reduce(inside, axis=1)
    return touching


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(A, B) bool: whether more than SAME of the smaller of two boxes lies in the other."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, np.float32(0)).prod(2)
    first, second = (np.maximum((v[:, 2:] - v[:, :2]).prod(1), np.float32(1e-9)) for v in (a, b))
    same: NDArray[np.bool_] = shared / np.minimum(first[:, None], second) > np.float32(SAME_OBJECT_IOU)
    return same
