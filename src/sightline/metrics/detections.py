"""Detection curves: precision, recall and F1 by class, the best score threshold, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.core.metric import Evaluation
from sightline.metrics.functional.boxes import RECALLS, by_image, precisions, rank_detections, sort
from sightline.metrics.functional.matching import (
    THRESHOLDS,
    Measure,
    by_boxes,
    flags,
    greedy,
    matches,
    ordered,
    overlaps,
)
from sightline.metrics.functional.weighted import Array, array

FOUND = float(THRESHOLDS[0])
"""IoU from which on a detection has found an object, here."""


@dataclass(frozen=True)
class Curve:
    """Precision-recall curve of one class, over falling score thresholds.

    Attributes:
        objects: Objects of the class that count.
        score: (S,) confidences of its detections, falling, each once.
        precision: (S,) share of the detections with at least that confidence that are right.
        recall: (S,) share of the objects that these find; nan where there are no objects.
    """

    objects: int
    score: Array
    precision: Array
    recall: Array

    @property
    def f1(self) -> Array:
        """(S,) harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
        both = self.precision + self.recall
        product = 2 * self.precision * self.recall
        return np.asarray(np.divide(product, both, out=np.zeros_like(both), where=both != 0))

    def f1_at(self, scores: Array) -> Array:
        """F1 with the detections of at least these confidences; 0 where there are none."""
        shown = np.searchsorted(-self.score, -np.asarray(scores), "right")
        return np.asarray(np.r_[0.0, self.f1][shown])

    def precision_at(self, recalls: Array = RECALLS) -> Array:
        """The highest precision at or beyond each recall, 0 beyond the last: what COCO draws."""
        best = np.maximum.accumulate(self.precision[::-1])[::-1]
        return np.asarray(np.r_[best, 0.0][np.searchsorted(self.recall, recalls, "left")])


def curves(evaluation: Evaluation, classes: int, measure: Measure = by_boxes) -> list[Curve]:
    """Precision and recall of each class at IoU 0.5, matched as COCO does.

    Args:
        evaluation: `Instances` with scores, beside those that are there.
        classes: K.
        measure: How two objects overlap: by their boxes, or by their masks.

    Returns:
        One for each class, also for those without objects or detections.

    Raises:
        ValueError: If the prediction has no scores, or not as many images as the target.
    """
    m, target = matches(evaluation, measure), evaluation.target
    keep, counted = m.ignored[:, 0] & 1 == 0, m.counted[:, 0]
    shown = (m.shown.image[keep], m.shown.label[keep], m.shown.score[keep])
    r = sort(
        shown,
        m.found[keep, 0],
        m.ignored[keep, 0],
        (array(target.image)[counted], array(target.labels)[counted]),
        classes,
    )
    result = []
    for k in range(classes):
        here, objects = slice(r.start[k], r.start[k + 1]), int(r.object_start[k + 1] - r.object_start[k])
        score, right = r.score[here], np.cumsum(r.found[here] & 1)
        last = np.diff(score, append=-np.inf) != 0
        recall = right[last] / objects if objects else np.full(int(last.sum()), np.nan)
        result.append(Curve(objects, score[last], right[last] / (1 + np.flatnonzero(last)), recall))
    return result


def mean_f1(curves: Sequence[Curve]) -> tuple[Array, Array]:
    """Mean over the classes of F1, at every score of any detection.

    Returns:
        (S,) confidences, falling, each once, and (S,) means with the detections of at least these.
    """
    with_objects = [c for c in curves if c.objects]
    if not with_objects:
        return np.empty(0), np.empty(0)
    score = np.concatenate([c.score for c in with_objects])
    gain = np.concatenate([np.diff(c.f1, prepend=0.0) for c in with_objects])
    order = np.argsort(-score, kind="stable")
    score, total = score[order], np.cumsum(gain[order]) / len(with_objects)
    last = np.diff(score, append=-np.inf) != 0
    return score[last], total[last]


def best_threshold(evaluation: Evaluation, otherwise: float = 0.25, measure: Measure = by_boxes) -> float:
    """Score threshold with the best mean F1 over the classes.

    Use validation images: what was chosen on a test set looks better there than it is.

    Args:
        evaluation: `Instances` with scores, beside those that are there.
        otherwise: The answer where no detection is right.
        measure: See `curves`.

    Returns:
        The middle between the lowest confidence that is shown and the highest that is not.

    Raises:
        ValueError: If the prediction has no scores, or not as many images as the target.
    """
    classes = 1 + max(
        int(x.labels.max()) if len(x.labels) else -1 for x in (evaluation.prediction, evaluation.target)
    )
    score, f1 = mean_f1(curves(evaluation, classes, measure))
    if not (f1 > 0).any():
        return otherwise
    best = int(f1.argmax())
    return float(score[best : best + 2].mean())


def best_thresholds(
    evaluation: Evaluation, classes: int, otherwise: float = 0.25, measure: Measure = by_boxes
) -> list[float]:
    """Score threshold of each class with the best F1 of that class.

    Args:
        evaluation: `Instances` with scores, of validation images, beside those that are there.
        classes: K.
        otherwise: For classes of which no detection is right: that of all classes together.
        measure: See `curves`.
    """
    common = best_threshold(evaluation, otherwise, measure)
    thresholds = []
    for curve in curves(evaluation, classes, measure):
        best = int(curve.f1.argmax()) if len(curve.score) and curve.objects else -1
        useful = best >= 0 and curve.f1[best] > 0
        thresholds.append(float(curve.score[best : best + 2].mean()) if useful else common)
    return thresholds


def average_precisions(evaluation: Evaluation, classes: int) -> Array:
    """(K, 10) average precision of each class at each of `THRESHOLDS`; nan for classes without objects.

    Their mean is mAP50-95, that of the first column mAP50.
    """
    r = rank_detections(by_image(evaluation), classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        values, defined = precisions(r, np.ones((1, len(evaluation.target))))
    return np.where(defined[0, :classes, None], values[0, :classes], np.nan)


def confusion(prediction: Any, target: Any, classes: int, threshold: float, iou: float = FOUND) -> Array:
    """Confusion matrix of detections. Boxes are matched by position alone, whatever the class.

    In each image the detections choose by falling score, each the free object that it overlaps
    most; of two that it overlaps alike, the one of its own class. Crowds and difficult objects,
    and detections that find one of their own class and no other object, are left out.

    Args:
        prediction: `Instances` with scores.
        target: `Instances` of the same images.
        classes: K.
        threshold: Confidence from which on a detection counts.
        iou: Least overlap of a pair, above 0.

    Returns:
        (K + 1, K + 1) int64 counts by true (row) and predicted class (column). The last row holds
        detections of nothing, the last column objects that were not found.

    Raises:
        ValueError: If the prediction has no scores, or not as many images as the target.
    """
    d = ordered(prediction, target)
    keep = np.flatnonzero(d.score >= threshold)
    keep = keep[np.lexsort((-d.score[keep], d.image[keep]))]
    image, label, true = d.image[keep], d.label[keep], array(target.labels)
    crowd, apart = flags(target)
    boxes = array(prediction.boxes)[d.row[keep]]
    of, other, overlap = overlaps(boxes, image, array(target.boxes), array(target.image), crowd, iou)
    alike = label[of] == true[other]
    fits = alike | ~apart[other]
    pairs = of[fits], other[fits], (overlap + 1e-9 * alike)[fits]
    who, took = greedy(pairs, image, ~apart, crowd, np.array([iou]))
    partner = np.full(len(keep), -1)
    partner[who] = took[:, 0]
    row = np.where(partner >= 0, true[partner] if len(true) else 0, classes)
    counts = partner < 0 if not len(true) else (partner < 0) | ~apart[partner]
    missed = ~apart
    missed[partner[partner >= 0]] = False
    side = classes + 1
    cells = np.r_[row[counts] * side + label[counts], true[missed] * side + classes]
    return np.bincount(cells, minlength=side * side).reshape(side, side)
