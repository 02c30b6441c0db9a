"""Keypoints: object keypoint similarity (OKS) for COCO's matching, distances of points, reference lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from sightline.core.metric import Evaluation, Statistics
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.metrics.functional.boxes import by_image
from sightline.metrics.functional.matching import (
    THRESHOLDS,
    Detections,
    Pairs,
    flags,
    keys,
    ordered,
    pairs_of_groups,
)
from sightline.metrics.functional.weighted import Array, array

MAX_OBJECTS = 20
"""Objects of a prediction that count in each image and class, as in COCO."""
_PAIRS = 2**15  # pairs of objects held at once, each with all its points


def oks_statistics(evaluation: Evaluation, area: str = "all") -> Statistics:
    """COCO matching by OKS: {"detections", "objects": (N,) bytes}; see `boxes.by_image`.

    Crowds, and objects without a labeled point, are neither to be found nor wrong to find.
    """
    return by_image(evaluation.once("oks", lambda: _scored_by_coco(evaluation)), area, by_oks)


def _scored_by_coco(evaluation: Evaluation) -> Evaluation:
    """The objects that COCO compares: of a prediction the best 20; of a target all, some to be ignored."""
    prediction, target = evaluation.prediction, evaluation.target
    best = torch.zeros(len(prediction.labels), dtype=torch.bool)
    best[torch.from_numpy(ordered(prediction, target, MAX_OBJECTS).row)] = True
    unlabeled = (target.visibility == 0).all(1)
    difficult = unlabeled if target.difficult is None else unlabeled | target.difficult
    return Evaluation(prediction.select(best), replace(target, difficult=difficult))


def by_oks(evaluation: Evaluation, shown: Detections) -> tuple[Pairs, Array]:
    """OKS as the measure for `matching.matches`; the area of a prediction is the extent of its points."""
    prediction, target = evaluation.prediction, evaluation.target
    labels = array(target.labels)
    classes = int(max(labels.max(initial=0), shown.label.max(initial=0))) + 1
    groups = keys(shown.image, shown.label, classes), keys(array(target.image), labels, classes)
    points = array(prediction.points)[shown.row].astype(np.float64)
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for of, other in pairs_of_groups(*groups, _PAIRS):
        similarity = oks(points[of], target, other)
        near = similarity >= THRESHOLDS[0]
        parts.append((of[near], other[near], similarity[near]))
    of, other, similarity = (np.concatenate(part) for part in zip(*parts, strict=True))
    low, high = (points.min(1), points.max(1)) if points.size else (np.zeros((len(points), 2)),) * 2
    return (of, other, similarity), (high - low).prod(1)


def oks(points: Array, target: Keypoints, rows: Array) -> Array:
    """(P,) object keypoint similarity of predicted points (P, J, 2) with objects of a target, in [0, 1].

    The mean over the labeled points of exp(-d^2 / (2 area (2 sigma)^2)). For an object without labeled points
    d is how far a point lies outside of its box, enlarged three times.

    Args:
        points: (P, J, 2) float64 x, y in pixels.
        target: What they are compared with.
        rows: (P,) which object of it.

    Source: Lin et al., Microsoft COCO, keypoint evaluation, and its evaluation code.
    """
    labeled = array(target.visibility)[rows] > 0
    away = points - array(target.points)[rows]
    boxes = array(target.boxes).astype(np.float64)[rows]
    side = boxes[:, 2:] - boxes[:, :2]
    low, high = (boxes[:, :2] - side)[:, None], (boxes[:, 2:] + side)[:, None]
    outside = np.maximum(low - points, 0) + np.maximum(points - high, 0)
    none = ~labeled.any(1)
    away = np.where(none[:, None, None], outside, away)
    counted = labeled | none[:, None]
    variance = (2 * np.array(target.skeleton.oks_sigmas)) ** 2
    area = array(target.area()).astype(np.float64)[rows]
    error = (away**2).sum(2) / variance / (area + np.spacing(1))[:, None] / 2
    return np.asarray(np.where(counted, np.exp(-error), 0.0).sum(1) / np.maximum(counted.sum(1), 1))


@dataclass(frozen=True)
class PointErrors:
    """Distances of the P labeled points of a target from those of a prediction.

    Attributes:
        image: (P,) image of each, rising.
        row: (P,) object of the target.
        point: (P,) which of the J points.
        distance: (P,) float64 pixels; inf where no predicted object is left for the object.
        partner: (M,) row of the predicted object that is paired with each object of the target, -1 for none.
    """

    image: Array
    row: Array
    point: Array
    distance: Array
    partner: Array


def point_errors(evaluation: Evaluation) -> PointErrors:
    """Distances of labeled points, computed once for all metrics.

    In each image and class, objects are paired so that the sum of their mean distances is smallest; one with
    one without any question. Crowds do not count. Where objects have scores, as many are paired as there are,
    the surest: else of many guesses the best would count, however unsure. Equal scores stay together.
    """
    return evaluation.once("point errors", lambda: _errors(evaluation.prediction, evaluation.target))


def _errors(prediction: Any, target: Any) -> PointErrors:
    """`point_errors` without the cache."""
    if len(prediction) != len(target):
        raise ValueError(f"The prediction has {len(prediction)} images and the target {len(target)}.")
    labeled = (array(target.visibility) > 0) & ~flags(target)[0][:, None]
    goal, points = (array(value.points).astype(np.float64) for value in (target, prediction))
    partner = _partners(prediction, target, labeled)
    row, point = np.nonzero(labeled)
    distance = np.full(len(row), np.inf)
    paired = partner[row] >= 0
    mine, j = row[paired], point[paired]
    distance[paired] = np.linalg.norm(points[partner[mine], j] - goal[mine, j], axis=1)
    return PointErrors(array(target.image)[row], row, point, distance, partner)


def _partners(prediction: Any, target: Any, labeled: Array) -> Array:
    """(M,) row of the predicted object that belongs to each object of the target, -1 for none."""
    labels = array(target.labels), array(prediction.labels)
    classes = 1 + int(max(part.max(initial=0) for part in labels))
    mine = keys(array(target.image), labels[0], classes)
    others = keys(array(prediction.image), labels[1], classes)
    goal, points = (array(value.points).astype(np.float64) for value in (target, prediction))
    partner = np.full(len(mine), -1)
    counted, surest = labeled.any(1), _surest(prediction.scores, others, mine[~flags(target)[0]])
    order = np.flatnonzero(surest)
    order = order[np.argsort(others[order], kind="stable")]
    for key in np.unique(mine[counted]):
        rows = np.flatnonzero((mine == key) & counted)
        candidates = order[slice(*np.searchsorted(others[order], (key, key + 1)))]
        if not len(candidates):
            continue
        away = np.linalg.norm(goal[rows][:, None] - points[candidates][None], axis=3)
        shown = labeled[rows][:, None]
        cost = np.where(shown, away, 0.0).sum(2) / shown.sum(2)
        first, second = linear_sum_assignment(cost)
        partner[rows[first]] = candidates[second]
    return partner


def _surest(scores: Any, groups: Array, others: Array) -> Array:
    """(P,) bool: the predicted objects (P,) that are among the surest n of their image and class.

    Args:
        scores: (P,) tensor; None: all count.
        groups: (P,) key of the image and class of each.
        others: Key of each object of the target; it says n.
    """
    if scores is None or not len(groups):
        return np.ones(len(groups), dtype=bool)
    sure = array(scores).astype(np.float64)
    order = np.lexsort((-sure, groups))
    keys_of, start = np.unique(groups[order], return_index=True)
    wanted = np.bincount(others, minlength=int(keys_of.max()) + 1)[keys_of]
    last = start + np.minimum(wanted, np.diff([*start, len(groups)])) - 1
    least = np.where(wanted > 0, sure[order[np.maximum(last, start)]], np.inf)
    return np.asarray(sure >= least[np.searchsorted(keys_of, groups)])


TORSO = (("left", "shoulder"), ("right", "hip")), (("right", "shoulder"), ("left", "hip"))
"""Diagonals of the torso, as words of names of points: the first one with both points labeled counts."""
HEAD = ((("head", "top"), ("neck",)), (("head", "top"), ("chin",)), (("top", "head"), ("neck",)))
EYES = (
    (("left", "eye", "outer"), ("right", "eye", "outer")),
    (("left", "eye", "center"), ("right", "eye", "center")),
    (("left", "eye"), ("right", "eye")),
)
NAMED = {"torso": TORSO, "head": HEAD, "eyes": EYES}


def named_pairs(skeleton: Skeleton, reference: str) -> list[tuple[int, int]]:
    """Points whose distance is a reference length: of "torso", "head", "eyes", or of "NAME/NAME".

    Returns:
        Pairs of indices, the best first; none if the skeleton does not have them.
    """
    names = [name.lower().replace("-", "_").replace(" ", "_") for name in skeleton.names]
    if "/" in reference:
        first, second = reference.split("/", 1)
        both = [skeleton.names.index(name) for name in (first, second) if name in skeleton.names]
        return [(both[0], both[1])] if len(both) == 2 else []
    ends = [(_index(names, words), _index(names, others)) for words, others in NAMED.get(reference, ())]
    return [(a, b) for a, b in ends if a is not None and b is not None and a != b]


def _index(names: Sequence[str], words: Sequence[str]) -> int | None:
    """The shortest name that has all words, sides also as a letter."""
    hits = []
    for i, name in enumerate(names):
        tokens = name.split("_")
        if all(word in name or (word in ("left", "right") and word[0] in tokens) for word in words):
            hits.append((len(name), i))
    return min(hits)[1] if hits else None


def reference_lengths(target: Keypoints, reference: str) -> Array:
    """(M,) reference length of each object in pixels; nan where it is undefined or zero.

    Args:
        target: The annotated objects.
        reference: torso, head, eyes or NAME/NAME: distance of two labeled points; box: longer side of the
            box; diagonal: its diagonal.
    """
    boxes = array(target.boxes).astype(np.float64)
    side = boxes[:, 2:] - boxes[:, :2]
    if reference in ("box", "diagonal"):
        length = side.max(1, initial=0) if reference == "box" else np.hypot(*side.T)
        return np.asarray(np.where(length > 0, length, np.nan))
    points, labeled = array(target.points).astype(np.float64), array(target.visibility) > 0
    length = np.full(len(boxes), np.nan)
    for a, b in reversed(named_pairs(target.skeleton, reference)):
        distance = np.linalg.norm(points[:, a] - points[:, b], axis=1)
        usable = labeled[:, a] & labeled[:, b] & (distance > 0)
        length[usable] = distance[usable]
    return length


def chosen_reference(skeleton: Skeleton, choices: Sequence[str]) -> str:
    """The first of the references that the skeleton has; else the last."""
    return next((c for c in choices if named_pairs(skeleton, c)), choices[-1])
