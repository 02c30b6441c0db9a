"""Postprocessing with numpy: outputs of a network to predictions in pixels of the stored image.

The arithmetic equals that of the toolkit: `models/detection/postprocess.py` (which boxes stay),
`models/heads/prototypes.py` and `ops/grids.py` (masks), and `moved` of the targets (mapping to the stored
image).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.targets._sampled import VOID, Map, moved, sampled
from ..ops.grids import pasted
from . import resize

Outputs = Mapping[str, NDArray[Any]]
Settings = Mapping[str, Any]
Part = tuple[int, int, Map]

THRESHOLD = 0.25
"""Lowest score of an object that counts, where none was chosen on validation images."""
STRIDE, MARGIN = 4, 1
"""Pixels of the input to a side of a cell of prototypes; cells around a box that are cut out with it."""
_ROWS = 64
"""Boxes that are compared with all others at a time."""


@dataclass(frozen=True, eq=False)
class Label:
    """Class label of an image.

    Attributes:
        value: Index of the class, or (K,) bool where a picture may have several.
        scores: (K,) float32 in [0, 1].
    """

    value: int | NDArray[np.bool_]
    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Number:
    """Numbers of an image.

    Attributes:
        value: (M,) float32, in the user's own unit.
    """

    value: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Masks:
    """A class for each pixel.

    Attributes:
        map: (H, W) uint8, as large as the stored picture; 255 where nothing was seen.
    """

    map: Map


@dataclass(frozen=True, eq=False)
class Instances:
    """Objects in an image, best first.

    Attributes:
        size: Height and width of the picture.
        boxes: (M, 4) float32 x1, y1, x2, y2 in its pixels, the far edge outside the last one.
        labels: (M,) int64 class of each.
        scores: (M,) float32 in [0, 1].
        parts: Masks of the M objects, each x, y and the (h, w) uint8 that it lies in; none for boxes only.
    """

    size: tuple[int, int]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    parts: list[Part] = field(default_factory=list)

    def at(self, rows: NDArray[Any]) -> Instances:
        """Some of the objects: (R,) indices, or an (M,) mask."""
        chosen = np.arange(len(self.labels))[rows]
        parts = [self.parts[i] for i in chosen] if self.parts else []
        return replace(self, boxes=self.boxes[chosen], labels=self.labels[chosen],
                       scores=self.scores[chosen], parts=parts)  # fmt: skip

    def least(self, score: float | NDArray[np.float32]) -> Instances:
        """The objects with at least this score.

        Args:
            score: Of all, or (K,) of each class.
        """
        each = np.asarray(score, dtype=np.float32)
        return self.at(self.scores >= (each[self.labels] if each.ndim else each))


def thresholds(settings: Settings) -> NDArray[np.float32]:
    """(K,) score threshold of each class, as chosen on the validation images."""
    names = settings.get("classes") or ()
    values = np.asarray(settings.get("thresholds", THRESHOLD), dtype=np.float32)
    return np.broadcast_to(values, (len(names),))


def read(kind: str, outputs: Outputs, settings: Settings, stored: list[tuple[int, int]]) -> list[Any]:
    """Predictions from outputs, one for each image.

    Args:
        kind: Of the prediction.
        outputs: Of the network, for B pictures.
        settings: Of the model.
        stored: Height and width of each of the B stored pictures.
    """
    return [
        READERS[kind][1]({name: value[i] for name, value in outputs.items()}, settings, size)
        for i, size in enumerate(stored)
    ]


def _label(outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Label:
    scores = outputs["scores"]
    return Label(scores > 0.5 if settings.get("multi") else int(scores.argmax()), scores)


def _number(outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Number:
    return Number(outputs["value"])


def _masks(outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Masks:
    place = _back(settings, stored)
    if outputs["classes"].shape == stored and np.array_equal(place, np.eye(2, 3)):
        return Masks(outputs["classes"])
    return Masks(sampled(outputs["classes"], place, (0, 0, stored[1], stored[0]), VOID))


def _instances(outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Instances:
    objects, _ = select(outputs, settings)
    return _moved(objects, settings, stored)


def _outlines(outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Instances:
    objects, rows = select(outputs, settings)
    if "masks" in outputs:
        grids = zip(outputs["masks"][rows], objects.boxes.astype(np.float64), strict=True)
        parts = [_trimmed(*pasted(grid, box, objects.size)) for grid, box in grids]
    else:
        parts = [
            cut_out(weight, outputs["prototypes"], box, objects.size)
            for weight, box in zip(outputs["coefficients"][rows], objects.boxes, strict=True)
        ]
    objects = replace(objects, parts=parts).at(np.array([part[2].size > 0 for part in parts], dtype=bool))
    return _moved(centred(objects, settings.get("cuts")), settings, stored)


def select(outputs: Outputs, settings: Settings) -> tuple[Instances, NDArray[np.int64]]:
    """Detections of one image after score threshold and NMS, best first.

    Boxes are cut at the edge of the input; those with scores up to `conf` or without an area go, and of two
    of a class that overlap by more than `nms` the worse one (at 1 none does); `max_objects` stay at most.

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
        rows = rows[_apart(boxes[rows], outputs["labels"][rows], settings["nms"], most)]
    rows = rows[:most]
    objects = Instances((height, width), boxes[rows], outputs["labels"][rows].astype(np.int64), scores[rows])
    return objects, rows


def _apart(boxes: NDArray[np.float32], labels: NDArray[Any], overlap: float, most: int) -> NDArray[np.int64]:
    """NMS: indices of the boxes that stay, of boxes (M, 4) from best to worst; at most `most`."""
    keep = np.ones(len(boxes), dtype=bool)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for start in range(0, len(boxes), _ROWS):
        mine, rest = slice(start, start + _ROWS), slice(start, None)
        near = np.maximum(boxes[mine, None, :2], boxes[None, rest, :2])
        sides = np.maximum(np.minimum(boxes[mine, None, 2:], boxes[None, rest, 2:]) - near, np.float32(0))
        inside = sides[..., 0] * sides[..., 1]
        share = inside / (areas[mine, None] + areas[None, rest] - inside)
        # Compared in double precision, as torchvision does.
        same = (share > np.float64(overlap)) & (labels[mine, None] == labels[None, rest])
        for i in np.flatnonzero(np.triu(same, 1).any(1)):
            if keep[start + i]:
                keep[start + i + 1 :] &= ~same[i, i + 1 :]
        if np.count_nonzero(keep[: start + _ROWS]) >= most:
            break  # what follows is worse
    return np.flatnonzero(keep)


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


def centred(objects: Instances, cuts: Any) -> Instances:
    """Rescale scores by class so that the calibrated threshold of every class becomes 0.5."""
    if cuts is None:
        return objects
    cut = np.clip(np.array(cuts, dtype=np.float32), np.float32(1e-6), np.float32(1 - 1e-6))[objects.labels]
    scores = objects.scores
    low, high = 0.5 * scores / cut, 0.5 + 0.5 * (scores - cut) / (1 - cut)
    objects = replace(objects, scores=np.where(scores < cut, low, high).astype(np.float32))
    return objects.at(np.argsort(-objects.scores, kind="stable"))


def _back(settings: Settings, stored: tuple[int, int]) -> NDArray[np.float64]:
    return resize.back(stored, tuple(settings["size"]), settings["fit"])


def _moved(objects: Instances, settings: Settings, stored: tuple[int, int]) -> Instances:
    """Map objects from the input to the stored image; parts outside are cut off."""
    place = _back(settings, stored)
    scale, shift = np.diag(place).astype(np.float32), place[:, 2].astype(np.float32)
    far = np.array(stored[::-1], dtype=np.float32)
    corners = np.minimum(np.maximum(objects.boxes.reshape(-1, 2, 2) * scale + shift, np.float32(0)), far)
    parts = [moved(part, place, stored) for part in objects.parts]
    return replace(objects, size=stored, boxes=corners.reshape(-1, 4), parts=parts)


READERS: dict[str, tuple[tuple[str, ...], Callable[[Outputs, Settings, tuple[int, int]], Any]]] = {
    "label": (("scores",), _label),
    "number": (("value",), _number),
    "masks": (("classes",), _masks),
    "instances": (("boxes", "scores", "labels"), _instances),
    "outlines": (("boxes", "scores", "labels", "coefficients", "prototypes"), _outlines),
}
"""By kind of prediction: the outputs it is read from, and how."""


def needed(kind: str, names: Collection[str]) -> tuple[str, ...]:
    """Names of the outputs that a prediction type needs.

    Args:
        kind: Of the prediction.
        names: What the file gives: masks of objects may be sums of prototypes, or grids over their boxes.
    """
    grids = kind == "outlines" and "masks" in names
    return (*READERS["instances"][0], "masks") if grids else READERS[kind][0]
