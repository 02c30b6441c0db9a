"""Scores of any detector brought to [0, 1], as the thresholds of trackers want them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def ranks(scores: ArrayLike) -> Floats:
    """(M,) rank of each score among all, in (0, 1], the best 1; equal scores share their mean rank."""
    values = np.asarray(scores, dtype=np.float64)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    middle = last - (counts - 1) / 2
    result: Floats = middle[place] / max(len(values), 1)
    return result


def in_unit(scores: ArrayLike) -> bool:
    """Whether all scores lie in [0, 1] and are not all the same, so that they can be taken as they are."""
    values = np.asarray(scores, dtype=np.float64)
    return bool(len(values) and values.min() >= 0 and values.max() <= 1 and values.min() < values.max())


def calibrated(scores: ArrayLike, thresholds: ArrayLike, to: float) -> Floats:
    """Scores of a model, stretched so that the threshold chosen on validation images becomes `to`.

    Args:
        scores: (M,) in [0, 1].
        thresholds: Threshold of the class of each, (M,) or one, in [0, 1].
        to: What a threshold becomes, in (0, 1).
    """
    values = np.asarray(scores, dtype=np.float64)
    cut = np.clip(np.asarray(thresholds, dtype=np.float64), 1e-6, 1 - 1e-6)
    stretched: Floats = np.where(values < cut, to * values / cut, to + (1 - to) * (values - cut) / (1 - cut))
    return stretched
