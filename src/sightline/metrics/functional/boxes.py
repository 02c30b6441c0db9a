"""Average precision and recall of objects (COCO): statistics as bytes for each image, and their reduction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.matching import AREAS, NO_MATCH, THRESHOLDS, Measure, by_boxes, matches
from sightline.metrics.functional.rows import pack, unpack
from sightline.metrics.functional.weighted import Array, array, average

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which COCO reads off the precision."""
EVERY = tuple(range(len(THRESHOLDS)))

_DETECTION = np.dtype([("score", "f8"), ("label", "i4"), ("found", "u2"), ("ignored", "u2")])
_OBJECT = np.dtype([("label", "i4")])
_CHUNK = 2**18  # weights held at once, 2 MB: small enough for the cache


@dataclass(frozen=True)
class Ranked:
    """Detections and objects of all images, sorted by class and falling score.

    Attributes:
        image: (D,) image of each detection, those of a class by falling score.
        score: (D,) float64.
        found: (D,) uint16; bit t is set if the detection matches an object at the t-th IoU threshold.
        ignored: (D,) uint16; bit t is set if the detection counts neither as right nor as wrong.
        start: (K + 1,) first detection of each class.
        object_image: (M,) image of each object that counts.
        object_start: (K + 1,) first object of each class.
    """

    image: Array
    score: Array
    found: Array
    ignored: Array
    start: Array
    object_image: Array
    object_start: Array


def by_image(evaluation: Evaluation, area: str = "all", measure: Measure = by_boxes) -> Statistics:
    """COCO matching for objects of one of `AREAS`: {"detections", "objects": (N,) bytes}."""
    m, target, lane = matches(evaluation, measure), evaluation.target, list(AREAS).index(area)
    counted = m.counted[:, lane]
    objects = array(target.image)[counted], array(target.labels)[counted]
    shown = (m.shown.image, m.shown.label, m.shown.score)
    return pack_matches(len(target), shown, m.found[:, lane], m.ignored[:, lane], objects)


def pack_matches(
    images: int,
    shown: tuple[Array, Array, Array],
    matched: Array,
    ignored: Array,
    objects: tuple[Array, Array],
) -> Statistics:
    """Pack detections and objects into rows of bytes, which are joined, selected and compared by image.

    Args:
        images: N.
        shown: (D,) image (rising), class and score of each detection.
        matched: (D,) uint16; bit t is set if the detection matches an object at the t-th IoU threshold.
        ignored: (D,) uint16; bit t is set if the detection counts neither as right nor as wrong.
        objects: (M,) image (rising) and class of each object that counts.
    """
    keep = (ignored != NO_MATCH) | np.isnan(shown[2])
    image, label, score = (x[keep] for x in shown)
    records = np.empty(len(image), dtype=_DETECTION)
    records["label"], records["score"] = label, score
    records["found"], records["ignored"] = matched[keep], ignored[keep]
    things = objects[1].astype(np.int32)
    return {"detections": pack(records, image, images), "objects": pack(things, objects[0], images)}


def rank_detections(stats: Statistics, classes: int = 0) -> Ranked:
    """Unpack and sort detections and objects by class, once for all weightings.

    Args:
        stats: What `pack_matches` gave, for all images.
        classes: Least number of classes.
    """
    records, image = unpack(stats["detections"], _DETECTION)
    things, counted = unpack(stats["objects"], _OBJECT)
    return sort(
        (image, records["label"], records["score"]),
        records["found"],
        records["ignored"],
        (counted, things["label"]),
        classes,
    )


def sort(
    shown: tuple[Array, Array, Array],
    matched: Array,
    ignored: Array,
    objects: tuple[Array, Array],
    classes: int = 0,
) -> Ranked:
    """Sort detections and objects by class; arguments as for `pack_matches`, in any order."""
    image, label, score = shown
    edges = np.arange(1 + max(classes, 1 + label.max(initial=-1), 1 + objects[1].max(initial=-1)))
    order, by_class = np.lexsort((-score, label)), np.argsort(objects[1], kind="stable")
    return Ranked(
        image[order],
        score[order],
        matched[order],
        ignored[order],
        np.searchsorted(label[order], edges),
        objects[0][by_class],
        np.searchsorted(objects[1][by_class], edges),
    )


def average_precision(stats: Statistics, weights: Array, at: tuple[int, ...] = EVERY) -> Array:
    """(B,) average precision, mean over the classes with objects and over the IoU thresholds.

    Args:
        stats: Result of `by_image`.
        weights: (B, N) weight of each image.
        at: Indices into `THRESHOLDS`.
    """
    r = rank_detections(stats)
    values, defined = precisions(r, weights, at)
    return np.where(np.isnan(r.score).any(), np.nan, average(values.mean(2), defined))


def average_recall(stats: Statistics, weights: Array) -> Array:
    """(B,) recall, mean over the classes with objects and over the IoU thresholds."""
    r = rank_detections(stats)
    values = np.zeros((len(weights), len(r.start) - 1))
    total = np.zeros_like(values)
    often = np.bitwise_count(r.found) / len(EVERY)
    for k, rows, part, positive in _by_class(r, weights):
        total[rows, k] = positive
        values[rows, k] = part @ often[r.start[k] : r.start[k + 1]] / positive
    return np.where(np.isnan(r.score).any(), np.nan, average(values, total > 0))


def precisions(
    r: Ranked, weights: Array, at: tuple[int, ...] = EVERY, recalls: Array = RECALLS
) -> tuple[Array, Array]:
    """Interpolated average precision of each class: mean of the highest precision at or beyond each recall.

    Only detections that match an object are evaluated, since precision falls in between.

    Args:
        r: Detections and objects.
        weights: (B, N) weight of each image.
        at: T bits of `found` and `ignored`.
        recalls: Recalls that the mean is over, rising, from 0 to 1.

    Returns:
        (B, K, T) values, and (B, K) bool whether the class has objects.

    Source: Lin et al., Microsoft COCO, ECCV 2014 (101 recalls); Everingham et al., The PASCAL Visual
    Object Classes Challenge, IJCV 88, 2010, section 4.2 (11 recalls).
    """
    # Sums of fractions are not exact, so that a recall of 1 needs some slack; those of counts are.
    slack = np.where((weights % 1 == 0).all(1, keepdims=True), 1.0, 1 + 1e-12)
    values = np.zeros((len(weights), len(r.start) - 1, len(at)))
    defined = np.zeros(values.shape[:2], dtype=bool)
    for k, rows, part, positive in _by_class(r, weights):
        defined[rows, k] = positive > 0
        here = slice(r.start[k], r.start[k + 1])
        matched, ignored, shown = r.found[here], r.ignored[here], part.cumsum(1)
        for i, t in enumerate(at):
            right, apart = np.flatnonzero(matched >> t & 1), np.flatnonzero(ignored >> t & 1)
            if len(right) == 0:
                continue
            hits, ranked_count = part[:, right].cumsum(1), shown[:, right]
            if len(apart):
                before = np.pad(part[:, apart].cumsum(1), ((0, 0), (1, 0)))
                ranked_count = ranked_count - before[:, np.searchsorted(apart, right)]
            precision = np.divide(hits, ranked_count, out=np.zeros_like(hits), where=ranked_count > 0)
            best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            reached = np.searchsorted(recalls, hits / positive[:, None] * slack[rows], "right")
            values[rows, k, i] = (best * np.diff(reached, prepend=0, axis=1)).sum(1) / len(recalls)
    return values, defined


def _by_class(r: Ranked, weights: Array) -> Iterator[tuple[int, slice, Array, Array]]:
    """For each class and chunk of weightings: class index, slice of detections, their weights, object
    weights.
    """
    for k in range(len(r.start) - 1):
        objects = r.object_image[r.object_start[k] : r.object_start[k + 1]]
        image = r.image[r.start[k] : r.start[k + 1]]
        if len(objects) == 0:
            continue
        step = max(1, _CHUNK // max(1, len(image), len(objects)))
        for b in range(0, len(weights), step):
            some = weights[b : b + step]
            yield k, slice(b, b + step), some[:, image], some[:, objects].sum(1)
