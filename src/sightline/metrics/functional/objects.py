"""Which object said finds which true one, where confidence only says which objects count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.core.metric import Evaluation, Stats
from sightline.metrics.functional.masks import checked, mask_pairs, placed
from sightline.metrics.functional.matching import THRESHOLDS, flags, greedy, keys
from sightline.metrics.functional.weighted import Array, array

CONFIDENCE = 0.5
"""Least confidence of the objects that count where predictions have any."""


@dataclass(frozen=True)
class Taken:
    """Objects said and the true ones they take, at T least overlaps.

    Attributes:
        image: (D,) image of each object said.
        label: (D,) its class.
        right: (D, T) bool whether it finds an object.
        wrong: (D, T) bool whether it finds nothing; neither is so where it takes a crowd or difficult object.
        overlap: (D, T) IoU with what it takes, or 0.
        found: (M, T) bool which true objects are found.
        counted: (M,) bool which true objects count.
    """

    image: Array
    label: Array
    right: Array
    wrong: Array
    overlap: Array
    found: Array
    counted: Array


def confident(prediction: Any) -> Array:
    """Rows of the objects with at least CONFIDENCE; all, where none has any."""
    if prediction.scores is None:
        return np.arange(len(prediction.labels))
    return np.flatnonzero(array(prediction.scores) >= CONFIDENCE)


def taken(evaluation: Evaluation, least: Array = THRESHOLDS) -> Taken:
    """Let each object said take the free true one of its image and class that it overlaps most.

    They choose by falling confidence. Where masks of one picture do not overlap each other, at most one
    pair fits at all. Crowds and difficult objects are taken only where none else is left.

    Args:
        evaluation: `Outlines` of N images, beside those that are there.
        least: (T,) least overlaps, from 0.5.

    Raises:
        ValueError: If either has no masks, or they have not as many images.
    """
    prediction, truth = evaluation.prediction, evaluation.truth
    checked(prediction, truth)
    image, label, true = array(prediction.image), array(prediction.labels), array(truth.labels)
    row = confident(prediction)
    score = np.zeros(len(label)) if prediction.scores is None else array(prediction.scores)
    row = row[np.lexsort((-score[row], label[row], image[row]))]
    crowd, apart = flags(truth)
    pairs = placed(mask_pairs(evaluation), row)
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


def tallies(evaluation: Evaluation) -> Stats:
    """{"right", "wrong": (N, 10) objects said at each of `THRESHOLDS`, "objects": (N,) true ones}."""
    return evaluation.once("tallies", lambda: _tallies(evaluation))


def _tallies(evaluation: Evaluation) -> Stats:
    truth = evaluation.truth
    t, n = taken(evaluation), len(truth)

    def by_image(flags: Array, image: Array) -> Array:
        counts = np.zeros((n, flags.shape[1]), dtype=np.int64)
        np.add.at(counts, image, flags)
        return counts

    objects = np.bincount(array(truth.image)[t.counted], minlength=n)
    return {"right": by_image(t.right, t.image), "wrong": by_image(t.wrong, t.image), "objects": objects}


def _overlap(pairs: tuple[Array, Array, Array], of: Array, other: Array, objects: int) -> Array:
    """Overlaps of some of the pairs."""
    keys = pairs[0] * objects + pairs[1]
    order = np.argsort(keys)
    return np.asarray(pairs[2][order[np.searchsorted(keys[order], of * objects + other)]])
