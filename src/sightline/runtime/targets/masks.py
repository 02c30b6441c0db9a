"""Semantic mask of one image: a class for each pixel."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.targets._sampled import IGNORE_INDEX, Map, sampled
from ...core.targets._voting import vote_class_maps
from ...core.targets._windows import Window
from ...ops.draw import Color, color_of, difference, enlarged, legend, regions
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays, way_back

_LISTED = 4  # classes that words about a map name


@dataclass(frozen=True, eq=False)
class MaskArrays(TargetArrays):
    """A class map.

    Attributes:
        map: (H, W) uint8, as large as the stored image; 255 where nothing was seen.
    """

    map: Map
    kind = "masks"
    located = True
    maps = True
    outputs = ("classes",)
    placed = True

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> MaskArrays:
        """The class map at the size of the stored image."""
        place = way_back(settings, stored)
        if outputs["classes"].shape == stored and np.array_equal(place, np.eye(2, 3)):
            return cls(outputs["classes"])
        return cls(sampled(outputs["classes"], place, (0, 0, stored[1], stored[0]), IGNORE_INDEX))

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """The largest classes in words, and the share of each class."""
        del outputs
        counts = np.bincount(self.map.ravel(), minlength=IGNORE_INDEX + 1)[: len(names)]
        whole = max(int(counts.sum()), 1)
        order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
        words = ", ".join(f"{names[k]} {100 * counts[k] / whole:.0f} %" for k in order[:_LISTED])
        shares = zip(names, (counts / whole).tolist(), strict=True)
        return {"found": words or "nothing known", **{f"share_{name}": round(v, 6) for name, v in shares}}

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        """Tint each pixel by its class."""
        del names, most
        return regions(image, self.map, IGNORE_INDEX)

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Tint each pixel by its class, with a legend."""
        del row
        large, _ = enlarged(self.draw(image, names))
        return legend(large, self.legend(names))

    def legend(self, names: Sequence[str]) -> list[tuple[str, Color]]:
        """The classes in the map, with their colors."""
        classes = [int(k) for k in np.unique(self.map) if k != IGNORE_INDEX]
        return [(names[k], color_of(k)) for k in classes if k < len(names)]

    def mistakes(self, image: Image, target: MaskArrays) -> Image:
        """Pixels of another class in red."""
        return difference(image, self.map, target.map, IGNORE_INDEX)

    def compressed(self) -> bytes:
        """The map's rows, compressed by zlib."""
        return zlib.compress(np.ascontiguousarray(self.map).data, 1)

    @classmethod
    def join_tiles(cls, parts: Sequence[bytes], tiles: Sequence[Window], size: tuple[int, int]) -> MaskArrays:
        """Merge the maps of tiles; overlapping tiles vote."""

        def read(i: int) -> Map:
            _, _, width, height = tiles[i]
            return np.frombuffer(zlib.decompress(parts[i]), dtype=np.uint8).reshape(height, width)

        return cls(np.concatenate(list(vote_class_maps(read, tiles, *size))))


TARGET = MaskArrays
