"""Tracks of one sequence: boxes with an identity in its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.targets._windows import Window
from ...ops.draw import boxes as draw_boxes
from ...ops.draw import color_of, enlarged, paths
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays

BOX = ("frame", "id", "class", "score", "x1", "y1", "x2", "y2")
"""Columns of a box."""


@dataclass(frozen=True, eq=False)
class TrackArrays(TargetArrays):
    """Boxes of a sequence, sorted by frame.

    Attributes:
        size: Height and width of the frames in pixels; 0 where unknown.
        length: Frames of the sequence.
        frames: (M,) int64 frame of each box, counted from 1.
        ids: (M,) int64 identity of each box; of a detection -1.
        boxes: (M, 4) float64 x1, y1, x2, y2 in pixels.
        labels: (M,) int64 class of each; -1 where no class is given.
        scores: (M,) float64 confidence in any range, or None for an annotation.
    """

    size: tuple[int, int]
    length: int
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64] | None
    kind = "tracks"
    located = True
    outputs: ClassVar[tuple[str, ...]] = ("tracks",)

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Self:
        """From rows (M, 8): frame from 1 (0 in rows that fill up), identity, x1, y1, x2, y2, score, class; in
        pixels of the frames.
        """
        rows = np.asarray(outputs["tracks"], dtype=np.float64)
        rows = rows[rows[:, 0] > 0]
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        frames, ids, labels = (rows[:, k].astype(np.int64) for k in (0, 1, 7))
        length = int(settings.get("length") or frames.max(initial=0))
        return cls(stored, length, frames, ids, rows[:, 2:6], labels, rows[:, 6])

    def at(self, rows: NDArray[Any]) -> Self:
        """Some of the boxes: (R,) indices, or an (M,) mask."""
        names = ("frames", "ids", "boxes", "labels")
        scores = None if self.scores is None else self.scores[rows]
        return replace(self, scores=scores, **{name: getattr(self, name)[rows] for name in names})

    def frame(self, number: int) -> Self:
        """The boxes of one frame, counted from 1."""
        first, last = np.searchsorted(self.frames, (number, number + 1))
        return self.at(np.arange(first, last))

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """Number of objects (identities), of boxes and of frames."""
        del names, outputs
        return {"objects": len(np.unique(self.ids)), "boxes": len(self.ids), "frames": self.length}

    def details(self, names: Sequence[str]) -> Row:
        """One row for each box: frame, identity, class and score (None where there is none), and corners in
        pixels to a thousandth.
        """
        return {"tracks": list(self._rows(names))}

    def _rows(self, names: Sequence[str]) -> list[Row]:
        scores = [None] * len(self.ids) if self.scores is None else self.scores.round(5).tolist()
        classes = [names[k] if 0 <= k < len(names) else None for k in self.labels.tolist()]
        each = zip(
            self.frames.tolist(),
            self.ids.tolist(),
            classes,
            scores,
            self.boxes.round(3).tolist(),
            strict=True,
        )
        return [dict(zip(BOX, (*row[:4], *row[4]), strict=True)) for row in each]

    @classmethod
    def columns(cls, row: Row) -> list[str]:
        """Columns of a box, after the sequence's path."""
        return [*_where(row), *BOX]

    def table(self, row: Row, names: Sequence[str]) -> list[Row]:
        """One row for each box."""
        return [{**_where(row), **entry} for entry in self._rows(names)]

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        """The path of the center of each object over all frames, and its last box, in a color of its own."""
        numbers = np.unique(self.ids)
        colors = [color_of(abs(int(number))) for number in numbers]
        centers = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        ways = [centers[self.ids == number] for number in numbers]
        last = np.array([np.flatnonzero(self.ids == number)[-1] for number in numbers], dtype=np.int64)
        names = [str(number) for number in numbers]
        named = most is None or len(names) <= most
        drawn = paths(image, zip(ways, colors, strict=True))
        return draw_boxes(drawn, self.boxes[last], range(len(last)), None, names if named else None, colors)

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Draw on an image that is large enough for the labels."""
        del row
        large, factor = enlarged(image)
        return replace(self, boxes=factor * self.boxes).draw(large, names)

    @classmethod
    def join_tiles(cls, parts: Sequence[Self], tiles: Sequence[Window], size: tuple[int, int]) -> Self:
        """All boxes of all tiles, in the pixels of the whole frame; nothing is merged."""
        moved = [p.boxes + np.array([x, y, x, y]) for p, (x, y, _, _) in zip(parts, tiles, strict=True)]
        joined: Mapping[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("frames", "ids", "labels")
        }
        scores = [part.scores for part in parts if part.scores is not None]
        whole = cls(
            size,
            max(part.length for part in parts),
            boxes=np.concatenate(moved),
            scores=np.concatenate(scores) if scores else None,
            **joined,
        )
        return whole.at(np.argsort(whole.frames, kind="stable"))


def _where(row: Row) -> Row:
    """The columns path and seconds of a row, if present."""
    return {k: row[k] for k in ("path", "seconds") if k in row}


TARGET = TrackArrays
