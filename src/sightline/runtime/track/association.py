"""Which box is which: overlaps of all pairs, and the best pairs of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

ALIKE, NEAR = 0.75, 0.5
"""Cosine of the features of two boxes, and their overlap, from which on looks count, as in BoT-SORT."""


def iou(first: Floats, second: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4), in [0, 1]; 0 where both are empty."""
    width = np.minimum(first[:, 2, None], second[:, 2]) - np.maximum(first[:, 0, None], second[:, 0])
    rows, columns = np.nonzero(width > 0)  # few pairs, of which alone the heights are needed
    a, b = first[rows], second[columns]
    height = np.maximum(np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1]), 0)
    shared = width[rows, columns] * height
    result: Floats = np.zeros(width.shape)
    result[rows, columns] = shared / np.maximum(_areas(a) + _areas(b) - shared, 1e-9)
    return result


def grown(boxes: Floats, margin: float | Floats) -> Floats:
    """(N, 4) boxes with a margin on each side, in shares of their width and height: one, or (N,)."""
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.reshape(margin, (-1, 1))
    return np.concatenate([boxes[:, :2] - sides, boxes[:, 2:] + sides], 1)


def height_ratio(first: Floats, second: Floats) -> Floats:
    """(N, M) lower over higher of the heights of boxes (N, 4) and (M, 4), in [0, 1]."""
    first_heights, heights = (np.maximum(b[:, 3] - b[:, 1], 1e-9) for b in (first, second))
    ratio: Floats = np.minimum(first_heights[:, None], heights) / np.maximum(first_heights[:, None], heights)
    return ratio


def or_alike(overlap: Floats, allowed: NDArray[np.bool_], first: Floats, second: Floats) -> Floats:
    """(N, M) what pairs are worth: their overlap, or how alike they look, where they are near.

    Args:
        overlap: (N, M) in [0, 1].
        allowed: (N, M) which pairs may be.
        first: (N, D) features of length 1; zeros where nothing is known.
        second: (M, D) likewise.

    Source: Aharon et al., BoT-SORT, arXiv 2206.14651, 2022, section 3.3 (least of the gated distances).
    """
    cosine = first @ second.T
    counts = allowed & (cosine >= ALIKE) & (overlap >= NEAR)
    alike: Floats = np.where(counts, np.maximum(overlap, (1 + cosine) / 2), overlap)
    return alike


def _areas(boxes: Floats) -> Floats:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    area: Floats = sides[:, 0] * sides[:, 1]
    return area


def pairs(values: Floats, allowed: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Pairs of rows and columns with the largest sum of values; each row and column is in one pair at most.

    Where a pair has no rival, nothing is searched: this is most of a film, and most of the speed.

    Args:
        values: (N, M) what a pair is worth, larger than 0 where it is allowed.
        allowed: (N, M) which pairs may be.

    Returns:
        (P,) rows and (P,) columns.
    """
    by_row, by_column = allowed.sum(1), allowed.sum(0)
    alone = allowed & (by_row == 1)[:, None] & (by_column == 1)[None]
    rows, columns = np.nonzero(alone)
    if len(rows) == np.count_nonzero(by_row):
        return rows, columns
    by_row[rows] = by_column[columns] = 0
    rival_rows, rival_columns = np.flatnonzero(by_row), np.flatnonzero(by_column)
    part = np.ix_(rival_rows, rival_columns)
    worth = np.where(allowed[part], values[part], 0)
    i, j = assign(-worth)
    real = worth[i, j] > 0
    return np.concatenate([rows, rival_rows[i[real]]]), np.concatenate([columns, rival_columns[j[real]]])


def assign(cost: Floats) -> tuple[Rows, Rows]:
    """Assignment of least total cost by shortest augmenting paths; scipy, which the light runtime has not, is
    not needed.

    Source: Crouse, On Implementing 2D Rectangular Assignment Algorithms, IEEE Transactions on Aerospace and
    Electronic Systems 2016, algorithm of section 2.

    Args:
        cost: (N, M), finite.

    Returns:
        (min(N, M),) rows, ascending where N <= M, and their columns.
    """
    if cost.shape[0] > cost.shape[1]:
        columns, rows = assign(cost.T)
        return rows, columns
    count, width = cost.shape
    potential, price = np.zeros(count), np.zeros(width)
    row_of = np.full(width, -1)
    column_of = np.full(count, -1)
    for start in range(count):
        distance, before = np.full(width, np.inf), np.full(width, -1)
        done = np.zeros(width, dtype=bool)
        row, least, visited = start, 0.0, []
        while True:
            visited.append(row)
            reach = least + cost[row] - potential[row] - price
            shorter = ~done & (reach < distance)
            distance[shorter], before[shorter] = reach[shorter], row
            open_distance = np.where(done, np.inf, distance)
            column = int(open_distance.argmin())
            least = float(open_distance[column])
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
        potential[start] += least
        others = np.array(visited[1:], dtype=np.int64)
        potential[others] += least - distance[column_of[others]]
        price[done] -= least - distance[done]
        while True:  # turn the path around
            row = int(before[column])
            row_of[column] = row
            column_of[row], column = column, int(column_of[row])
            if row == start:
                break
    return np.arange(count), column_of
