"""Tiled prediction of large images, equal to the toolkit's `data/loading/tiles.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.targets._windows import Window
from ..data.io.images import decode
from ..data.io.levels import Span
from ..data.io.regions import Whole, Windows, open_regions
from .targets.base import TargetArrays


def windows_of(source: Path | bytes | NDArray[np.uint8], page: int = 0, span: Span | None = None) -> Windows:
    """Region reader of an image; a large TIFF in blocks is never decoded as a whole.

    Args:
        source: A file, the bytes of one, or (H, W, C) uint8 pixels.
        page: Which image of a TIFF of several, from 0.
        span: See `data.images.decode`.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    if isinstance(source, np.ndarray):
        return Whole(source)
    reader = open_regions(source, page, span) if isinstance(source, Path) else None
    return reader or Whole(decode(source, page=page, span=span))


class MergedTiles:
    """Predictions of the tiles of one image, and finally of the image.

    Args:
        tiles: The tiles, in the order in which they are told.
        size: Height and width of the image.
    """

    def __init__(self, tiles: Sequence[Window], size: tuple[int, int]) -> None:
        self._tiles, self._size = tiles, size
        self._type: type[TargetArrays] | None = None
        self._parts: list[Any] = []

    def add(self, prediction: TargetArrays) -> None:
        """Add the prediction of the next tile, in its pixels."""
        self._type = type(prediction)
        self._parts.append(prediction.compressed())

    def whole(self) -> TargetArrays:
        """Prediction of the whole image."""
        assert self._type is not None, "an image has a tile"
        return self._type.join_tiles(self._parts, self._tiles, self._size)
