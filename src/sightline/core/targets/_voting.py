"""Merge class maps of overlapping tiles to one map of the whole image. No torch, for the light runtime."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ._sampled import IGNORE_INDEX, Map
from ._windows import Window


def vote_class_maps(
    read: Callable[[int], Map], windows: Sequence[Window], height: int, width: int
) -> Iterator[Map]:
    """Merge class maps of T tiles: each pixel gets the class with the highest weighted vote.

    A tile's vote weighs as much as the pixel's distance to the tile's border, since a network sees least
    around the pixels there; so there are no seams. Memory: two rows of tiles, whatever the height.

    Args:
        read: Gives the map of a tile by its number, as large as the tile.
        windows: The T tiles.
        height: Of the image.
        width: Of the image.

    Yields:
        The rows of it from the top, (h, width) uint8, so many at a time as are voted on by the same tiles.
    """
    boxes = [(x, y, x + w, y + h) for x, y, w, h in windows]
    open_maps: dict[int, Map] = {}
    for top, bottom in _steps(v for b in [*boxes, (0, 0, width, height)] for v in (b[1], b[3])):
        out = np.full((bottom - top, width), IGNORE_INDEX, dtype=np.uint8)
        rows = [t for t, b in enumerate(boxes) if b[1] <= top and b[3] >= bottom]
        open_maps = {t: open_maps[t] if t in open_maps else read(t) for t in rows}
        for left, right in _steps(v for t in rows for v in (boxes[t][0], boxes[t][2])):
            here = [t for t in rows if boxes[t][0] <= left and boxes[t][2] >= right]
            window = (left, top, right, bottom)
            if here:
                votes = [_crop_tile(open_maps[t], boxes[t], window) for t in here]
                weights = [_weight(boxes[t], window) for t in here] if len(here) > 1 else []
                out[:, left:right] = _elected(votes, weights)
        yield out


def _steps(edges: Iterable[int]) -> list[tuple[int, int]]:
    """Adjacent pairs of the distinct edges, in order."""
    return list(itertools.pairwise(sorted(set(edges))))


def _crop_tile(class_map: Map, box: Sequence[int], window: Sequence[int]) -> Map:
    """The part of a tile's map that lies in a region of the image."""
    return class_map[window[1] - box[1] : window[3] - box[1], window[0] - box[0] : window[2] - box[0]]


def _weight(box: Sequence[int], window: Sequence[int]) -> NDArray[np.float32]:
    """(h, w) weight of pixels: distance to the border of the tile, horizontal times vertical."""
    x, y = (np.arange(window[k], window[k + 2]) + 0.5 for k in (0, 1))
    across, down = np.minimum(x - box[0], box[2] - x), np.minimum(y - box[1], box[3] - y)
    weight: NDArray[np.float32] = (down[:, None] * across).astype(np.float32)
    return weight


def _elected(votes: list[Map], weights: list[NDArray[np.float32]]) -> Map:
    """Class with the highest weight at each pixel; of equal ones that of the first tile."""
    best = votes[0]
    if all((other == best).all() for other in votes[1:]):
        return best
    most = np.full(best.shape, -1.0, dtype=np.float32)
    for vote in votes:
        total = np.zeros(best.shape, dtype=np.float32)
        for other, weight in zip(votes, weights, strict=True):
            total += weight * (other == vote)
        best = np.where(total > most, vote, best)
        most = np.maximum(most, total)
    return best
