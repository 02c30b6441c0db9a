"""The point of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.targets._windows import Window
from ...ops.draw import boxes
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays, way_back


@dataclass(frozen=True, eq=False)
class PointArrays(TargetArrays):
    """x and y in pixels, and how sure that is in [0, 1]."""

    xy: NDArray[np.float32]
    score: float
    kind = "point"
    located = True
    outputs = ("xy", "score")

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> PointArrays:
        place = way_back(settings, stored).astype(np.float32)
        return cls(place[:, :2] @ outputs["xy"] + place[:, 2], float(outputs["score"]))

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        x, y = self.xy.tolist()
        return {"x": round(x, 3), "y": round(y, 3), "score": round(self.score, 5)}

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        return boxes(image, [[*(self.xy - 2), *(self.xy + 2)]], [0])

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        return self.draw(image, names)

    @classmethod
    def join_tiles(
        cls, parts: Sequence[PointArrays], tiles: Sequence[Window], size: tuple[int, int]
    ) -> PointArrays:
        best = int(np.argmax([part.score for part in parts]))
        return cls(parts[best].xy + np.array(tiles[best][:2], np.float32), parts[best].score)


TARGET = PointArrays
