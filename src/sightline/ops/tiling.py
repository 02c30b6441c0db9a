"""Positions of the tiles of a large image. No scipy, no torch."""

from __future__ import annotations

import itertools

from ..core.targets._windows import Window

OVERLAP = 0.2
"""Share of a tile's side that its neighbour shows too: what is smaller is whole in one of them."""


def tile_windows(height: int, width: int, side: int) -> list[Window]:
    """Tiles of `side` pixels that cover an image, row by row; a smaller image is one tile."""
    return [
        (x, y, min(side, width), min(side, height))
        for y, x in itertools.product(_starts(height, side), _starts(width, side))
    ]


def _starts(length: int, side: int) -> list[int]:
    """Start of each tile along a side: evenly spaced, with an overlap of at least OVERLAP."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // max(1, int(side * (1 - OVERLAP))))
    return [round(k * (length - side) / steps) for k in range(steps + 1)]
