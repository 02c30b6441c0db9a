"""Error analysis of detectors (TIDE): kinds of errors, the cost of each kind, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sightline.core.metric import Evaluation
from sightline.metrics.functional.boxes import precisions, sort
from sightline.metrics.functional.matching import matches, overlaps
from sightline.metrics.functional.weighted import Array, array

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
FOREGROUND, BACKGROUND = 0.5, 0.1
"""IoU from which on an object is found, and below which there is only background."""


@dataclass(frozen=True)
class Mistakes:
    """Error analysis of a detector, by `KINDS`.

    Attributes:
        ap50: Average precision at IoU 0.5, mean over the classes with objects.
        cost: Gain in `ap50` if one kind of error were corrected and all others stayed.
        where: (n, 2) image and index of the box in it, for each kind: detections by falling score; for
            "missed", objects.
    """

    ap50: float
    cost: Mapping[str, float]
    where: Mapping[str, Array]


@dataclass(frozen=True)
class _Case:
    """The detections and objects that count at IoU 0.5.

    Attributes:
        row, image, label, score: (D,) of each detection; by image, class and falling score.
        right: (D,) bool.
        there: (M,) rows of the objects in the target.
        true: (M,) their classes.
        free: (M,) bool which are not found.
    """

    row: Array
    image: Array
    label: Array
    score: Array
    right: Array
    there: Array
    true: Array
    free: Array


def mistakes(evaluation: Evaluation) -> Mistakes:
    """Classify every false positive and false negative into one kind of error, and compute the cost of each.

    A wrong detection is, in this order: "localisation" if it overlaps an object of its class by
    0.1 to 0.5; "classification" if it overlaps one of another class by 0.5 or more; "duplicate"
    if it overlaps one of its own class by as much, which another detection has found; "background"
    if it overlaps none by 0.1; else "both". An object not found is "missed" if none of the first
    two kinds points at it.

    To mend means: of the detections with wrong class or place that point at an object not found
    the one with the highest score becomes right and the others go; other wrong detections go; a
    missed object is no longer asked for, nor is a class of which no other object is left; where all objects
    are missed, mending is to find them. Costs do not add up to what is missing, since one kind hides
    another. Crowds, difficult objects and what is matched with them stay out of it.

    Args:
        evaluation: `Instances` with scores, beside those that are there.

    Returns:
        The mistakes; `ap50` and costs are nan where there are no objects.

    Raises:
        ValueError: If the prediction has no scores, or not as many images as the target.

    Source: Bolya et al., TIDE: a general toolbox for identifying object detection errors, ECCV 2020,
    sections 2.2 and 2.3, with the order and the ties of its own code.
    """
    prediction, target = evaluation.prediction, evaluation.target
    case = _case(evaluation)
    kind, partner = _kinds(case, prediction, target)
    fixable = np.flatnonzero((partner >= 0) & np.r_[case.free, False][partner])
    missed = case.free.copy()
    missed[partner[fixable]] = False
    # The detection with the highest score that points at an object not found.
    order = fixable[np.lexsort((case.row[fixable], -case.score[fixable], partner[fixable]))]
    first = np.zeros(len(kind), dtype=bool)
    first[order[np.unique(partner[order], return_index=True)[1]]] = True
    plain, cost = _ap50(case), {}
    for i, name in enumerate(KINDS[:-1]):
        mended = first & (kind == i)
        label = np.where(mended, np.r_[case.true, 0][partner], case.label)
        fixed = replace(case, label=label, right=case.right | mended)
        cost[name] = _ap50(fixed, (kind != i) | mended) - plain
    left = _ap50(case, objects=~missed) if not missed.all() else 1.0
    cost["missed"] = left - plain
    falling = np.argsort(-case.score, kind="stable")
    where = {
        name: _within(prediction, case.row[falling[kind[falling] == i]]) for i, name in enumerate(KINDS[:-1])
    }
    where["missed"] = _within(target, case.there[missed])
    return Mistakes(plain, {k: max(0.0, v) if v == v else v for k, v in cost.items()}, where)


def _case(evaluation: Evaluation) -> _Case:
    """Match at IoU 0.5, and collect the detections and objects that count."""
    m, target = matches(evaluation), evaluation.target
    keep, objects = m.ignored[:, 0] & 1 == 0, np.flatnonzero(m.counted[:, 0])
    right = m.found[keep, 0] & 1 == 1
    free = np.ones(len(m.counted), dtype=bool)
    free[m.partner[keep][right]] = False
    d, true = m.shown, array(target.labels)[objects]
    return _Case(
        d.row[keep], d.image[keep], d.label[keep], d.score[keep], right, objects, true, free[objects]
    )


def _kinds(case: _Case, prediction: Any, target: Any) -> tuple[Array, Array]:
    """(D,) index into `KINDS` of each false positive, -1 for right ones; (D,) object that it points at, or
    -1.
    """
    wrong = np.flatnonzero(~case.right)
    of, other, iou = overlaps(
        array(prediction.boxes)[case.row[wrong]],
        case.image[wrong],
        array(target.boxes)[case.there],
        array(target.image)[case.there],
        None,
        BACKGROUND,
    )
    of = wrong[of]
    same = case.label[of] == case.true[other]
    best, own_object = _best(of[same], other[same], iou[same], len(case.row))
    else_, else_object = _best(of[~same], other[~same], iou[~same], len(case.row))
    near = (best >= BACKGROUND) & (best < FOREGROUND)
    rules = {
        "localisation": near,
        "classification": else_ >= FOREGROUND,
        "duplicate": best >= FOREGROUND,
        "background": (best == 0) & (else_ == 0),
    }
    both = np.full(len(case.row), KINDS.index("both"))
    kind = np.select(list(rules.values()), [KINDS.index(name) for name in rules], both)
    kind[case.right] = -1
    partner = np.select([kind == KINDS.index(name) for name in rules], [own_object, else_object, -1, -1], -1)
    return kind, partner


def _best(of: Array, other: Array, iou: Array, rows: int) -> tuple[Array, Array]:
    """(D,) highest IoU of each detection, or 0; (D,) row of that object, or -1."""
    order = np.lexsort((-other, iou, of))
    best, which = np.zeros(rows), np.full(rows, -1)
    best[of[order]], which[of[order]] = iou[order], other[order]
    return best, which


def _ap50(case: _Case, keep: Array | None = None, objects: Array | None = None) -> float:
    """AP50 of some detections and some objects; mean over the classes of these objects."""
    rows = np.ones(len(case.row), dtype=bool) if keep is None else keep
    true = case.true if objects is None else case.true[objects]
    right = case.right[rows].astype(np.uint16)
    shown = (np.zeros(len(right), dtype=np.int64), case.label[rows], case.score[rows])
    r = sort(shown, right, np.zeros_like(right), (np.zeros(len(true), dtype=np.int64), true))
    values = precisions(r, np.ones((1, 1)), (0,))[0]
    classes = len(np.unique(true))
    return float(values.sum() / classes) if classes else float("nan")


def _within(boxes: Any, rows: Array) -> Array:
    """(n, 2) image of each row, and its index within the image."""
    image = array(boxes.image)[rows]
    counts = array(boxes.counts)
    return np.stack([image, rows - (np.cumsum(counts) - counts)[image]], 1)
