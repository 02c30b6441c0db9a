"""Instances of one image with masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...ops.draw import objects as draw_masks
from ...ops.grids import pasted
from ..rows import Row
from .base import Image, Outputs, Settings
from .instances import InstanceArrays, Part

STRIDE, MARGIN = 4, 1
"""Pixels of the input to a side of a cell of prototypes; cells around a box that are cut out with it."""


@dataclass(frozen=True, eq=False)
class OutlineArrays(InstanceArrays):
    """Objects with a mask each in `parts`; see `InstanceArrays`."""

    kind = "outlines"
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "scores", "labels", "coefficients", "prototypes")
    placed = False
    lists = ("masks",)
    forms: ClassVar[Mapping[str, str]] = {**InstanceArrays.forms, "masks": "codes"}
    ranked: ClassVar[tuple[str, ...]] = (*InstanceArrays.ranked, "coefficients", "masks")

    @classmethod
    def needed(cls, names: Collection[str]) -> tuple[str, ...]:
        """Outputs for boxes, and for masks: prototypes with coefficients, or grids over boxes."""
        return (*InstanceArrays.outputs, "masks") if "masks" in names else cls.outputs

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> OutlineArrays:
        """Detections with at least one mask pixel, in pixels of the stored image."""
        objects, rows = cls.select(outputs, settings)
        if "masks" in outputs:
            grids = zip(outputs["masks"][rows], objects.boxes.astype(np.float64), strict=True)
            parts = [_trimmed(*pasted(grid, box, objects.size)) for grid, box in grids]
        else:
            parts = [
                cut_out(weight, outputs["prototypes"], box, objects.size)
                for weight, box in zip(outputs["coefficients"][rows], objects.boxes, strict=True)
            ]
        objects = replace(objects, parts=parts).at(np.array([p[2].size > 0 for p in parts], dtype=bool))
        return rescale_scores(objects, settings.get("cuts")).as_stored(settings, stored)

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image:
        """Draw masks, each object in its own color; boxes with labels only if there are few."""
        tinted = self._tinted(image)
        few = most is None or 0 < len(self.labels) <= most
        return super().draw(tinted, names, most) if few else tinted

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Draw masks and boxes on an image that is large enough for their labels."""
        return super().annotate(self._tinted(image), row, names)

    def _tinted(self, image: Image) -> Image:
        """Draw the masks on (H, W, C) uint8, each object in its own color, tracked ones in that of their
        identity.
        """
        return draw_masks(image, self.parts, np.arange(len(self.parts)) if self.ids is None else self.ids - 1)


def cut_out(
    weights: NDArray[np.float32], prototypes: NDArray[np.float32], box: Any, size: tuple[int, int]
) -> Part:
    """Mask of an object: weighted sum of prototypes, cropped to its box, upsampled to pixels.

    A pixel above 0 belongs to it; the reference is `cut` in `models/heads/prototypes.py`.

    Args:
        weights: (P,) coefficients.
        prototypes: (P, h, w).
        box: x1, y1, x2, y2 in pixels of the input.
        size: Height and width of the input.
    """
    limit = np.array(size[::-1])
    near, far = np.floor(box[:2]).astype(int), np.minimum(np.ceil(box[2:]).astype(int), limit)
    cells = np.array(prototypes.shape[:0:-1])
    left, top = np.clip(np.floor(box[:2] / STRIDE).astype(int) - MARGIN, 0, cells)
    right, below = np.clip(np.ceil(box[2:] / STRIDE).astype(int) + MARGIN, 0, cells)
    coarse = np.tensordot(weights, prototypes[:, top:below, left:right], 1)
    (x1, y1), (x2, y2) = near - STRIDE * np.array([left, top]), far - STRIDE * np.array([left, top])
    inside = _enlarged(_enlarged(coarse, 1, x1, x2), 0, y1, y2) > 0
    return _trimmed(int(near[0]), int(near[1]), inside)


def _trimmed(x: int, y: int, mask: NDArray[np.bool_]) -> Part:
    """Crop a mask to its bounding rectangle; (0, 0) pixels for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return x, y, np.zeros((0, 0), dtype=np.uint8)
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
    return int(x + columns[0]), int(y + rows[0]), crop


def _enlarged(cells: NDArray[np.float32], axis: int, first: int, last: int) -> NDArray[np.float32]:
    """Bilinear upsampling by `STRIDE` along an axis, pixels `first` to `last`."""
    last = min(last, STRIDE * cells.shape[axis])
    place = np.maximum((np.arange(first, last, dtype=np.float32) + 0.5) / STRIDE - 0.5, 0)
    low = place.astype(int)
    after = np.minimum(low + 1, cells.shape[axis] - 1)
    share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
    mixed: NDArray[np.float32] = cells.take(low, axis) * (1 - share) + cells.take(after, axis) * share
    return mixed


def rescale_scores(objects: OutlineArrays, cuts: Any) -> OutlineArrays:
    """Rescale scores by class so that the calibrated threshold of every class becomes 0.5."""
    scores = objects.scores
    if cuts is None or scores is None:
        return objects
    cut = np.clip(np.array(cuts, dtype=np.float32), np.float32(1e-6), np.float32(1 - 1e-6))[objects.labels]
    low, high = 0.5 * scores / cut, 0.5 + 0.5 * (scores - cut) / (1 - cut)
    stretched = np.where(scores < cut, low, high).astype(np.float32)
    return replace(objects, scores=stretched).at(np.argsort(-stretched, kind="stable"))


TARGET = OutlineArrays
