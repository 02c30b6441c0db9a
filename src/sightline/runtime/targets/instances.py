"""Instances of one image: objects with a box and a class."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.targets._sampled import Map, visible_window
from ...core.targets._windows import Window, distinct
from ...ops import rle
from ...ops.draw import boxes as draw_boxes
from ...ops.draw import color_of, enlarged
from ..rows import Row
from .base import Image, Outputs, Rule, Settings, TargetArrays, way_back

Part = tuple[int, int, Map]
"""x and y of the top left pixel, and (h, w) uint8 of the rectangle that a mask lies in, 1 where it is."""

THRESHOLD = 0.25
"""Lowest score of an object that counts, where none was chosen on validation images."""
OBJECT = ("class", "score", "x1", "y1", "x2", "y2")
"""Columns of an object."""
_BOXES = 64
"""Boxes that are compared with all others at a time."""


@dataclass(frozen=True, eq=False)
class InstanceArrays(TargetArrays):
    """Objects of an image, best first.

    Attributes:
        size: Height and width of the image.
        boxes: (M, 4) float32 x1, y1, x2, y2 in its pixels, the far edge outside the last one.
        labels: (M,) int64 class of each.
        scores: (M,) float32 in [0, 1], or None for an annotation.
        parts: Masks of the M objects, each x, y and the (h, w) uint8 that it lies in; none for boxes only.
        ids: (M,) int64 identity of each over the frames of a film, from 1; None if not tracked.
    """

    size: tuple[int, int]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    parts: list[Part] = field(default_factory=list)
    ids: NDArray[np.int64] | None = None
    kind = "instances"
    located = True
    objects = True
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "scores", "labels")
    ranked: ClassVar[tuple[str, ...]] = outputs
    forms: ClassVar[Mapping[str, str]] = {"boxes": "objects"}
    placed = True

    @classmethod
    def rules(cls) -> Mapping[str, Rule]:
        """Conditions on the settings of score threshold and NMS."""
        return {
            "conf": lambda v: 0 <= v <= 1,
            "nms": lambda v: 0 <= v <= 1,
            "max_objects": lambda v: isinstance(v, int) and v > 0,
        }

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Self:
        """Detections after score threshold and NMS, in pixels of the stored image."""
        objects, _ = cls.select(outputs, settings)
        return objects.as_stored(settings, stored)

    @classmethod
    def select(cls, outputs: Outputs, settings: Settings) -> tuple[Self, NDArray[np.int64]]:
        """Detections of one image after score threshold and NMS, best first.

        Boxes are cut at the edge of the input; those with scores up to `conf` or without an area go, and of
        two of a class that overlap by more than `nms` the worse one (at 1 none does); `max_objects` stay.

        Returns:
            The M objects, and (M,) which candidate each of them was.
        """
        height, width = settings["size"]
        far = np.array([width, height, width, height], dtype=np.float32)
        boxes, scores = np.minimum(np.maximum(outputs["boxes"], np.float32(0)), far), outputs["scores"]
        real = (scores > np.float32(settings["conf"])) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        rows = np.flatnonzero(real)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        most = int(settings["max_objects"])
        if settings["nms"] < 1:
            rows = rows[_suppress(boxes[rows], outputs["labels"][rows], settings["nms"], most)]
        rows = rows[:most]
        objects = cls((height, width), boxes[rows], outputs["labels"][rows].astype(np.int64), scores[rows])
        return objects, rows

    def as_stored(self, settings: Settings, stored: tuple[int, int]) -> Self:
        """Map objects from the input to the stored image; parts outside are cut off."""
        place = way_back(settings, stored)
        scale, shift = np.diag(place).astype(np.float32), place[:, 2].astype(np.float32)
        far = np.array(stored[::-1], dtype=np.float32)
        corners = np.minimum(np.maximum(self.boxes.reshape(-1, 2, 2) * scale + shift, np.float32(0)), far)
        parts = [visible_window(part, place, stored) for part in self.parts]
        return replace(self, size=stored, boxes=corners.reshape(-1, 4), parts=parts)

    def at(self, rows: NDArray[Any]) -> Self:
        """Some of the objects: (R,) indices, or an (M,) mask."""
        chosen = np.arange(len(self.labels))[rows]
        parts = [self.parts[i] for i in chosen] if self.parts else []
        scores, ids = (None if v is None else v[chosen] for v in (self.scores, self.ids))
        boxes, labels = self.boxes[chosen], self.labels[chosen]
        return replace(self, boxes=boxes, labels=labels, scores=scores, parts=parts, ids=ids)

    def least(self, score: float | NDArray[np.float32]) -> Self:
        """Objects with at least this score: one threshold for all, or (K,) for each class."""
        if self.scores is None:
            return self
        each = np.asarray(score, dtype=np.float32)
        return self.at(self.scores >= (each[self.labels] if each.ndim else each))

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """Number of objects, how many of each class, the highest confidence (of an annotation 1), and the
        identities of tracked ones.
        """
        del outputs
        counts = np.bincount(self.labels, minlength=len(names)).tolist()
        words = ", ".join(f"{n} {name}" for n, name in zip(counts, names, strict=True) if n)
        best = 1.0 if self.scores is None else max(self.scores.tolist(), default=0.0)
        top = round(best, 6) if len(self.labels) else 0.0
        row: Row = {"objects": len(self.labels), "found": words or "nothing", "max_confidence": top}
        return row if self.ids is None else {**row, "ids": " ".join(map(str, sorted(self.ids.tolist())))}

    def details(self, names: Sequence[str]) -> Row:
        """One row for each object: identity if tracked, class, score (None for an annotation), and corners in
        pixels to a thousandth.
        """
        scores = (
            itertools.repeat(None) if self.scores is None else (round(s, 5) for s in self.scores.tolist())
        )
        each = zip(self.labels.tolist(), scores, self.boxes.tolist(), strict=False)
        rows = ((names[k], score, *(round(v, 3) for v in box)) for k, score, box in each)
        entries = [dict(zip(OBJECT, row, strict=True)) for row in rows]
        if self.ids is not None:
            entries = [{"id": k, **entry} for k, entry in zip(self.ids.tolist(), entries, strict=True)]
        return {"boxes": entries}

    def codes(self) -> Row:
        """COCO's RLE of the mask of each object: {"size": [h, w], "counts": text}."""
        return {"masks": [rle.code(part, *self.size) for part in self.parts]} if self.parts else {}

    @classmethod
    def columns(cls, row: Row) -> list[str]:
        """Columns of an object, after the image's path."""
        return [*_where(row), *(["id"] if "ids" in row else []), *OBJECT]

    def table(self, row: Row, names: Sequence[str]) -> list[Row]:
        """One row for each object."""
        return [{**_where(row), **entry} for entry in self.details(names)["boxes"]]

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        """Boxes, with their classes and scores."""
        named = most is None or len(self.labels) <= most
        return draw_boxes(image, self.boxes, self.labels, self.scores, names if named else None)

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Draw boxes on an image that is large enough for their labels."""
        del row
        large, factor = enlarged(image)
        if self.ids is not None:
            return replace(self, boxes=factor * self.boxes).with_ids(large, names)
        return draw_boxes(large, factor * self.boxes, self.labels, self.scores, names)

    def with_ids(self, image: Image, names: Sequence[str]) -> Image:
        """Boxes in the colors of their identities, with identity and class."""
        if self.ids is None:
            raise ValueError("The objects have no identities.")
        ids, classes = self.ids.tolist(), self.labels.tolist()
        tags = [f"{k} {names[c]}" if len(names) > 1 else str(k) for k, c in zip(ids, classes, strict=True)]
        colors = [color_of(k - 1) for k in ids] or [color_of(0)]
        return draw_boxes(image, self.boxes, np.arange(len(ids)), None, tags, colors)

    @classmethod
    def join_tiles(cls, parts: Sequence[Self], tiles: Sequence[Window], size: tuple[int, int]) -> Self:
        """Merge the objects of all tiles; duplicates are removed."""
        far = np.array(size[::-1] * 2, np.float32)
        corners = [np.array([x, y, x, y], np.float32) for x, y, _, _ in tiles]
        boxes = np.concatenate([np.minimum(t.boxes + c, far) for t, c in zip(parts, corners, strict=True)])
        labels = np.concatenate([t.labels for t in parts])
        scores = np.concatenate([t.scores for t in parts if t.scores is not None])
        tile = np.repeat(np.arange(len(parts)), [len(t.labels) for t in parts])
        masks = [
            (left + x, top + y, crop)
            for t, (x, y, _, _) in zip(parts, tiles, strict=True)
            for left, top, crop in t.parts
        ]
        return cls(size, boxes, labels, scores, masks).at(distinct(boxes, labels, scores, tile, tiles))


def thresholds(settings: Settings) -> NDArray[np.float32]:
    """(K,) score threshold of each class, as chosen on the validation images."""
    names = settings.get("classes") or ()
    values = np.asarray(settings.get("thresholds", THRESHOLD), dtype=np.float32)
    return np.broadcast_to(values, (len(names),))


def _suppress(
    boxes: NDArray[np.float32], labels: NDArray[Any], overlap: float, most: int
) -> NDArray[np.int64]:
    """NMS: indices of the boxes that stay, of boxes (M, 4) from best to worst; at most `most`."""
    keep = np.ones(len(boxes), dtype=bool)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for start in range(0, len(boxes), _BOXES):
        mine, rest = slice(start, start + _BOXES), slice(start, None)
        near = np.maximum(boxes[mine, None, :2], boxes[None, rest, :2])
        sides = np.maximum(np.minimum(boxes[mine, None, 2:], boxes[None, rest, 2:]) - near, np.float32(0))
        inside = sides[..., 0] * sides[..., 1]
        share = inside / (areas[mine, None] + areas[None, rest] - inside)
        # Compared in double precision, as torchvision does.
        same = (share > np.float64(overlap)) & (labels[mine, None] == labels[None, rest])
        for i in np.flatnonzero(np.triu(same, 1).any(1)):
            if keep[start + i]:
                keep[start + i + 1 :] &= ~same[i, i + 1 :]
        if np.count_nonzero(keep[: start + _BOXES]) >= most:
            break  # what follows is worse
    return np.flatnonzero(keep)


def _where(row: Row) -> Row:
    """The columns path and seconds of a row, if present."""
    return {k: row[k] for k in ("path", "seconds") if k in row}


TARGET = InstanceArrays
