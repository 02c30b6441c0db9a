"""Object matching without a ranking by score: the score only selects which predicted objects take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.masks import local_pairs, mask_pairs, require_masks
from sightline.metrics.functional.matching import THRESHOLDS, flags, greedy, keys
from sightline.metrics.functional.weighted import Array, array

CONFIDENCE = 0.5
"""Least confidence of the objects that count where predictions have any."""


@dataclass(frozen=True)
class Taken:
    """Matches of D predicted and M target objects at T IoU thresholds.

    Attributes:
        image: (D,) image of each predicted object.
        label: (D,) its class.
        right: (D, T) bool true positives.
        wrong: (D, T) bool false positives; both are False where it matches a crowd or difficult object.
        overlap: (D, T) IoU with the matched object, or 0.
        found: (M, T) bool whether the target object is matched.
        counted: (M,) bool whether the target object counts.
    """

    image: Array
    label: Array
    right: Array
    wrong: Array
    overlap: Array
    found: Array
    counted: Array


def confident(prediction: Any) -> Array:
    """Rows of the objects with a score of at least CONFIDENCE; all rows if there are no scores."""
    if prediction.scores is None:
        return np.arange(len(prediction.labels))
    return np.flatnonzero(array(prediction.scores) >= CONFIDENCE)


def match_objects(evaluation: Evaluation, least: Array = THRESHOLDS) -> Taken:
    """Match each predicted object with the free target object of its image and class with the highest IoU.

    Objects choose by falling score. If the masks of an image do not overlap each other, at most one pair can
    match. Crowds and difficult objects are matched only if no other object is left.

    Args:
        evaluation: `InstanceMasks` of N images, beside those that are there.
        least: (T,) least overlaps, from 0.5.

    Raises:
        ValueError: If either has no masks, or they have not as many images.
    """
    prediction, target = evaluation.prediction, evaluation.target
    require_masks(prediction, target)
    image, label, true = array(prediction.image), array(prediction.labels), array(target.labels)
    row = confident(prediction)
    score = np.zeros(len(label)) if prediction.scores is None else array(prediction.scores)
    row = row[np.lexsort((-score[row], label[row], image[row]))]
    crowd, apart = flags(target)
    pairs = local_pairs(mask_pairs(evaluation), row)
    group = keys(image[row], label[row], int(label.max(initial=0)) + 1)
    who, chosen = greedy(pairs, group, ~apart, crowd, least)
    took = np.full((len(row), len(least)), -1)
    took[who] = chosen
    hit = took >= 0
    right = hit & np.r_[~apart, False][took]
    matched = np.zeros((len(true), len(least)), dtype=bool)
    at, t = np.nonzero(right)
    matched[took[at, t], t] = True
    overlap = np.zeros(took.shape)
    overlap[hit] = _overlap(pairs, np.nonzero(hit)[0], took[hit], len(true))
    return Taken(image[row], label[row], right, ~hit, overlap, matched, ~apart)


def tallies(evaluation: Evaluation) -> Statistics:
    """Counts for each image: {"right", "wrong": (N, 10) predicted objects by threshold, "objects": (N,)
    targets}.
    """
    return evaluation.once("tallies", lambda: _tallies(evaluation))


def _tallies(evaluation: Evaluation) -> Statistics:
    """`tallies` without the cache."""
    target = evaluation.target
    t, n = match_objects(evaluation), len(target)

    def by_image(flags: Array, image: Array) -> Array:
        counts = np.zeros((n, flags.shape[1]), dtype=np.int64)
        np.add.at(counts, image, flags)
        return counts

    objects = np.bincount(array(target.image)[t.counted], minlength=n)
    return {"right": by_image(t.right, t.image), "wrong": by_image(t.wrong, t.image), "objects": objects}


def _overlap(pairs: tuple[Array, Array, Array], of: Array, other: Array, objects: int) -> Array:
    """(D, T) IoU of the matched pairs, from (P,) pairs."""
    keys = pairs[0] * objects + pairs[1]
    order = np.argsort(keys)
    return np.asarray(pairs[2][order[np.searchsorted(keys[order], of * objects + other)]])
