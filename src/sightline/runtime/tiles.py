"""Tiled prediction of large images, equal to the toolkit's `data/loading/tiles.py`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.targets._sampled import Map
from ..data.io.images import decode
from ..data.io.levels import Span
from ..data.io.regions import Whole, Windows, opened
from ..data.loading.tile_voting import blended
from ..ops.tiling import Window, distinct
from .answers import Instances, Masks


def windows_of(source: Path | bytes | NDArray[np.uint8], page: int = 0, span: Span | None = None) -> Windows:
    """Region reader of an image; a large TIFF in blocks is never decoded as a whole.

    Args:
        source: A file, the bytes of one, or (H, W, C) uint8 pixels.
        page: Which picture of a TIFF of several, from 0.
        span: See `data.images.decode`.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    if isinstance(source, np.ndarray):
        return Whole(source)
    reader = opened(source, page, span) if isinstance(source, Path) else None
    return reader or Whole(decode(source, page=page, span=span))


class Joined:
    """Predictions of the tiles of one image, and finally of the image.

    Args:
        tiles: The tiles, in the order in which they are told.
        size: Height and width of the picture.
    """

    def __init__(self, tiles: Sequence[Window], size: tuple[int, int]) -> None:
        self._tiles, self._size = tiles, size
        self._objects: list[Instances] = []
        self._maps: list[bytes] = []

    def add(self, prediction: Instances | Masks) -> None:
        """Add the prediction of the next tile, in its pixels."""
        if isinstance(prediction, Masks):
            self._maps.append(zlib.compress(np.ascontiguousarray(prediction.map).data, 1))
        else:
            x, y, *_ = self._tiles[len(self._objects)]
            shift, far = np.array([x, y, x, y], np.float32), np.array(self._size[::-1] * 2, np.float32)
            parts = [(left + x, top + y, crop) for left, top, crop in prediction.parts]
            boxes = np.minimum(prediction.boxes + shift, far)
            self._objects.append(replace(prediction, boxes=boxes, parts=parts))

    def whole(self) -> Instances | Masks:
        """Prediction of the image: class maps vote where tiles overlap; duplicate objects are merged."""
        if self._maps:
            return Masks(np.concatenate(list(blended(self._map, self._tiles, *self._size))))
        each = self._objects
        tile = np.repeat(np.arange(len(each)), [len(tile_result.labels) for tile_result in each])
        boxes, labels, scores = (
            np.concatenate([getattr(tile_result, name) for tile_result in each])
            for name in ("boxes", "labels", "scores")
        )
        merged = Instances(
            self._size, boxes, labels, scores, [part for tile_result in each for part in tile_result.parts]
        )
        return merged.at(distinct(boxes, labels, scores, tile, self._tiles))

    def _map(self, i: int) -> Map:
        _, _, width, height = self._tiles[i]
        class_map: Map = np.frombuffer(zlib.decompress(self._maps[i]), dtype=np.uint8).reshape(height, width)
        return class_map


def can_join(kind: str) -> bool:
    """Whether predictions of this type can be merged."""
    return kind in ("instances", "outlines", "masks")
