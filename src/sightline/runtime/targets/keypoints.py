"""Keypoints of one image: objects with named points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.skeleton import Skeleton
from ...core.targets._windows import Window, distinct
from ...ops.draw import Color, color_of, enlarged
from ...ops.draw import boxes as draw_boxes
from ...ops.draw import keypoints as draw_points
from ..rows import Row
from .base import Image, Outputs, Settings, way_back
from .instances import InstanceArrays

MIN_DRAWN = 320
"""Pixels of width from which on a skeleton can be seen."""


@dataclass(frozen=True, eq=False, kw_only=True)
class KeypointArrays(InstanceArrays):
    """Objects of an image with J points each, best first; see `InstanceArrays`.

    Attributes:
        points: (M, J, 2) float32 x, y in pixels of the image, also outside of it.
        visibility: (M, J) int8: 0 not labeled, 1 hidden, 2 visible; of a prediction 2.
        skeleton: What the points are.
        point_scores: (M, J) float32 in [0, 1], or None for an annotation.
    """

    points: NDArray[np.float32]
    visibility: NDArray[np.int8]
    skeleton: Skeleton
    point_scores: NDArray[np.float32] | None = None
    kind = "keypoints"
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "scores", "labels", "points", "point_scores")
    placed = False
    lists = ("keypoints",)
    forms: ClassVar[Mapping[str, str]] = {**InstanceArrays.forms, "keypoints": "numbers"}
    ranked: ClassVar[tuple[str, ...]] = outputs

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Self:
        """Objects after score threshold and NMS, in pixels of the stored image."""
        objects, rows = InstanceArrays.select(outputs, settings)
        objects = objects.as_stored(settings, stored)
        place = way_back(settings, stored)
        points = outputs["points"][rows].astype(np.float64) @ place[:, :2].T + place[:, 2]
        scores = outputs["point_scores"][rows].astype(np.float32)
        return cls(
            **{name: getattr(objects, name) for name in ("size", "boxes", "labels", "scores")},
            points=points.astype(np.float32),
            visibility=np.full(scores.shape, 2, dtype=np.int8),
            skeleton=Skeleton.from_json(settings["skeleton"]),
            point_scores=scores,
        )

    def at(self, rows: NDArray[Any]) -> Self:
        """Some of the objects: (R,) indices, or an (M,) mask."""
        chosen = np.arange(len(self.labels))[rows]
        scores = None if self.point_scores is None else self.point_scores[chosen]
        part = {"points": self.points[chosen], "visibility": self.visibility[chosen], "point_scores": scores}
        return replace(super().at(rows), **part)

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """The summary of `InstanceArrays`, and of the best object NAME_x, NAME_y and NAME_score of each
        point; None where a point is not labeled or there is no object, and no score for an annotation.
        """
        row = super().record(names, outputs)
        return {**row, **self._columns_of(0 if len(self.labels) else None)}

    def _columns_of(self, i: int | None) -> Row:
        """The points of object i, None for no object, as columns."""
        row: Row = {}
        for j, name in enumerate(self.skeleton.names):
            labeled = i is not None and self.visibility[i, j] > 0
            for axis, value in zip("xy", self.points[i, j] if labeled else (None, None), strict=True):
                row[f"{name}_{axis}"] = None if value is None else round(float(value), 3)
            if self.point_scores is not None:
                row[f"{name}_score"] = round(float(self.point_scores[i, j]), 5) if labeled else None
        return row

    def details(self, names: Sequence[str]) -> Row:
        """One row for each object: that of `InstanceArrays`, and the columns of its points."""
        rows = super().details(names)["boxes"]
        return {"boxes": [{**row, **self._columns_of(i)} for i, row in enumerate(rows)]}

    def codes(self) -> Row:
        """COCO's keypoints of each object: x, y and visibility of each point, one after the other."""
        triples = np.concatenate([self.points, self.visibility[:, :, None]], axis=2)
        rows = triples.reshape(len(self.labels), 3 * len(self.skeleton)).tolist()
        return {"keypoints": [[round(v, 3) for v in row] for row in rows]}

    @classmethod
    def columns(cls, row: Row) -> list[str]:
        """Columns of an object: those of `InstanceArrays`, then those of its points."""
        return [*InstanceArrays.columns(row), *(k for k in row if k.endswith(_COLUMNS))]

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        """Points and limbs; boxes too where there are several objects."""
        drawn = draw_points(image, self.points, self.visibility, self.skeleton.limbs, self._colors())
        if self.ids is not None:
            return self.with_ids(drawn, names)
        if len(self.labels) < 2:
            return drawn
        return draw_boxes(drawn, self.boxes, self.labels, self.scores, names if most is None else None)

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Draw on an image that is large enough for the points to be told apart."""
        del row
        large, factor = enlarged(image, MIN_DRAWN)
        return replace(self, points=factor * self.points, boxes=factor * self.boxes).draw(large, names)

    def legend(self, names: Sequence[str]) -> list[tuple[str, Color]]:
        """None: the points of a class are not classes of their own."""
        del names
        return []

    def mistakes(self, image: Image, target: Self) -> Image | None:
        """From each labeled point of the target (disc) a line to that of the prediction (ring), for one
        object.
        """
        if len(self.labels) != 1 or len(target.labels) != 1:
            return None
        labeled = (target.visibility > 0).astype(np.int8)
        points, shown = np.hstack([target.points, self.points]), np.hstack([2 * labeled, labeled])
        j = len(self.skeleton)
        return draw_points(image, points, shown, [(i, i + j) for i in range(j)], 2 * self._colors())

    def _colors(self) -> list[Color]:
        return [color_of(j) for j in range(len(self.skeleton))]

    @classmethod
    def join_tiles(cls, parts: Sequence[Self], tiles: Sequence[Window], size: tuple[int, int]) -> Self:
        """Merge the objects of all tiles; duplicates are removed."""
        far = np.array(size[::-1] * 2, np.float32)
        corners = [np.array(window[:2], np.float32) for window in tiles]
        pairs = list(zip(parts, corners, strict=True))
        joined: dict[str, Any] = {k: np.concatenate([getattr(p, k) for p in parts]) for k in _JOINED}
        whole = replace(
            parts[0],
            size=size,
            boxes=np.concatenate([np.minimum(p.boxes + np.tile(c, 2), far) for p, c in pairs]),
            points=np.concatenate([np.where(p.visibility[..., None] > 0, p.points + c, 0) for p, c in pairs]),
            **joined,
        )
        assert whole.scores is not None
        tile = np.repeat(np.arange(len(parts)), [len(p.labels) for p in parts])
        return whole.at(distinct(whole.boxes, whole.labels, whole.scores, tile, tiles))


_COLUMNS = ("_x", "_y", "_score")
"""Ends of the columns of a point."""
_JOINED = ("labels", "scores", "visibility", "point_scores")

TARGET = KeypointArrays
