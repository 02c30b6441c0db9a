"""Error analysis of instances: found, wrong class, merged, split, missed, or false positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.ops.masks import shared

KINDS = {
    "missed": "not found",
    "false": "nothing there",
    "merged": "one prediction that covers two objects or more",
    "split": "an object that two predictions or more lie in",
    "class": "right place, wrong class",
}
MATCH_IOU = 0.5
"""IoU from which on a prediction has found an object."""
HALF = 0.5
"""Share of a mask from which on it lies in another."""
PART = 0.1
"""Share of an object that a prediction within it must cover to be a part of it and no speck."""

Array = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Mistakes:
    """Kind of each of D predictions and M target objects.

    Attributes:
        partner: (D,) the object that each prediction has found, whatever its class; -1 for none.
        overlap: (D,) IoU with it; 0 for none.
        right: (D,) bool whether it is of that class too.
        apart: (D,) bool whether it is neither right nor wrong: it lies in a crowd or a difficult object.
        counted: (M,) bool whether an object counts: it is neither crowd nor difficult.
        found: (M,) bool whether a prediction of its class has found it.
        where: For each of `KINDS` the image of each such mistake.
    """

    partner: Array
    overlap: NDArray[np.float64]
    right: Flags
    apart: Flags
    counted: Flags
    found: Flags
    where: dict[str, Array]


def mistakes(shown: InstanceMasks, target: InstanceMasks) -> Mistakes:
    """Error analysis of instances, pixel by pixel.

    Of the pairs with an IoU of 0.5 or more those of one class are taken first, then by falling score.
    What is left is explained, if it can be: an object of which half lies in a prediction that covers others
    as well was merged; a prediction of which half lies in an object that holds others as well is a part.

    Args:
        shown: Predictions for N images, those that people are shown.
        target: Objects of the same images.
    """
    image, true_image = shown.image.numpy(), target.image.numpy()
    alike = shown.labels.numpy(), target.labels.numpy()
    counted = ~_is_ignored(target)
    of, other = _near(shown, target)
    both, first, second = shared(shown.bitmaps, target.bitmaps, of, other)
    real = (both > 0) & counted[other]
    inside = both / np.maximum(first, 1)
    crowds = np.zeros(len(image), dtype=bool)
    crowds[of[(inside >= HALF) & ~counted[other]]] = True
    of, other, both, first, second = (x[real] for x in (of, other, both, first, second))
    scores = np.ones(len(image)) if shown.scores is None else shown.scores.double().numpy()
    overlap = both / (first + second - both)
    same = alike[0][of] == alike[1][other]
    pairs = _matched(of, other, overlap, np.lexsort((-overlap, -scores[of], ~same)))
    partner, fit = np.full(len(image), -1), np.zeros(len(image))
    partner[of[pairs]], fit[of[pairs]] = other[pairs], overlap[pairs]
    right = np.zeros(len(image), dtype=bool)
    right[of[pairs]] = same[pairs]
    taken, matched = (np.zeros(len(true_image), dtype=bool) for _ in range(2))
    taken[other[pairs]], matched[other[pairs]] = True, same[pairs]

    covers, parts = both >= HALF * second, (both >= HALF * first) & (both >= PART * second)
    merging = np.bincount(of[covers], minlength=len(image)) > 1
    split = np.bincount(other[parts], minlength=len(true_image)) > 1
    merged, part = np.zeros_like(taken), np.zeros_like(right)
    merged[other[covers & merging[of]]] = True
    part[of[parts & split[other]]] = True
    where = {
        "missed": true_image[counted & ~taken & ~merged & ~split],
        "false": image[(partner < 0) & ~merging & ~part & ~crowds],
        "merged": image[merging],
        "split": true_image[split],
        "class": image[(partner >= 0) & ~right],
    }
    return Mistakes(partner, fit, right, crowds & (partner < 0), counted, matched, where)


def _is_ignored(target: InstanceMasks) -> Flags:
    """(M,) which objects are crowds or difficult."""
    flags = np.zeros(len(target.labels), dtype=bool)
    for flag in (target.crowd, target.difficult):
        if flag is not None:
            flags |= flag.numpy()
    return flags


def _near(shown: InstanceMasks, target: InstanceMasks) -> tuple[Array, Array]:
    """(P,) rows of predictions and of targets of the same image whose bounding boxes overlap."""
    rows: list[Array] = [np.empty(0, dtype=np.int64)]
    others: list[Array] = [np.empty(0, dtype=np.int64)]
    start = other_start = 0
    for n, m in zip(shown.counts.tolist(), target.counts.tolist(), strict=True):
        shown_boxes = _boxes(shown.bitmaps, start, n)
        true_boxes = _boxes(target.bitmaps, other_start, m)
        near = np.maximum(shown_boxes[:, None, :2], true_boxes[None, :, :2])
        far = np.minimum(shown_boxes[:, None, 2:], true_boxes[None, :, 2:])
        i, j = np.nonzero((near < far).all(2))
        rows.append(start + i)
        others.append(other_start + j)
        start, other_start = start + n, other_start + m
    return np.concatenate(rows), np.concatenate(others)


def _boxes(masks: CroppedMasks, start: int, count: int) -> Array:
    """(count, 4) bounding boxes of some masks."""
    corner = masks.corners[start : start + count].numpy()
    shape = np.array([c.shape[::-1] for c in masks.crops[start : start + count]], dtype=np.int64)
    return np.concatenate([corner, corner + shape.reshape(-1, 2)], 1)


def _matched(of: Array, other: Array, overlap: NDArray[np.float64], order: Array) -> Array:
    """Greedy matching of pairs that fit."""
    free, open_, chosen = set(of.tolist()), set(other.tolist()), []
    for p in order[overlap[order] >= MATCH_IOU].tolist():
        if of[p] in free and other[p] in open_:
            free.remove(of[p])
            open_.remove(other[p])
            chosen.append(p)
    return np.array(chosen, dtype=np.int64)
