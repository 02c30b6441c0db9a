"""Tracks in one clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class TrackArrays(TargetArrays):
    """(M, 6): frame, identity, x1, y1, x2, y2."""

    rows: NDArray[np.float64]
    kind = "tracks"
    located = True
    outputs = ("tracks",)

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> TrackArrays:
        rows = outputs["tracks"]
        return cls(rows[rows[:, 0] >= 0])

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        return {"objects": len(np.unique(self.rows[:, 1])), "boxes": len(self.rows)}

    def details(self, names: Sequence[str]) -> Row:
        """The boxes of each frame, as the MOT Challenge lists them."""
        keys = ("frame", "id", "x1", "y1", "x2", "y2")
        whole = self.rows[:, :2].astype(int).tolist()
        boxes = self.rows[:, 2:].round(3).tolist()
        return {"tracks": [dict(zip(keys, a + b, strict=True)) for a, b in zip(whole, boxes, strict=True)]}


TARGET = TrackArrays
