"""Distances of keypoints from their annotated places: mean, median, root mean square, normalized (NME)."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.keypoints import chosen_reference, point_errors, reference_lengths
from sightline.metrics.functional.rows import pack, unpack
from sightline.metrics.functional.weighted import Array, Weighted, mean

NORMALIZERS = ("eyes", "diagonal")
"""Reference lengths of NME; the first one that the names of the points give, else the last."""
_DISTANCE = np.dtype([("distance", "f8")])


def _card(name: str, summary: str) -> MetricCard:
    return MetricCard(name, summary, higher_is_better=False, best=0.0, target_types=("keypoints",))


class PointError(Weighted):
    """Mean distance in pixels of predicted from annotated points, over all labeled points at once.

    Points of objects that were not predicted have no distance: they are left out. PCK counts them.
    """

    card = _card("point error", "mean distance of predicted from annotated points, in pixels")
    scale = "ratio"
    power = 1

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"sum", "points": (N,)}."""
        errors, n = point_errors(evaluation), len(evaluation.target)
        return _sums(errors.image, errors.distance**self.power, n)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray((mean(stats["sum"], weights) / mean(stats["points"], weights)) ** (1 / self.power))


class PointRmse(PointError):
    """Root of the mean squared distance in pixels; see `PointError`."""

    card = _card("point RMSE", "root of the mean squared distance of points, in pixels")
    power = 2


class Nme(PointError):
    """Normalized mean error: the mean distance of points in shares of a reference length.

    The reference is the distance between the eyes if there are such points (their outer corners, else their
    centers), else the diagonal of the box. Objects whose reference is unknown are left out.

    Args:
        reference: As for `Pck`, and eyes and diagonal; auto as above.

    Source: Sagonas et al., 300 faces in-the-wild challenge, ICCV workshops 2013.
    """

    card = _card(
        "NME", "mean distance of points in shares of the distance of the eyes, or of the box's diagonal"
    )

    def __init__(self, reference: str = "auto") -> None:
        super().__init__()
        self.reference = reference

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """See `PointError.from_evaluation`."""
        errors, target = point_errors(evaluation), evaluation.target
        automatic = chosen_reference(target.skeleton, NORMALIZERS)
        lengths = reference_lengths(target, automatic if self.reference == "auto" else self.reference)
        return _sums(errors.image, errors.distance / lengths[errors.row], len(target))


class MedianPointError(Weighted):
    """Median distance in pixels of predicted from annotated points; see `PointError`."""

    card = _card("median point error", "median distance of predicted from annotated points, in pixels")
    scale = "ratio"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"distances": (N,) bytes}."""
        errors = point_errors(evaluation)
        paired = np.isfinite(errors.distance)
        records = np.empty(int(paired.sum()), dtype=_DISTANCE)
        records["distance"] = errors.distance[paired]
        return {"distances": pack(records, errors.image[paired], len(evaluation.target))}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """The distance at which half of the weight is reached: the mean of the two that lie about it."""
        records, image = unpack(stats["distances"], _DISTANCE)
        if not len(records):
            return np.full(len(weights), np.nan)
        order = np.argsort(records["distance"], kind="stable")
        distance = records["distance"][order]
        below = weights[:, image[order]].cumsum(1)
        half, end = below[:, -1:] / 2, len(distance) - 1
        first, last = ((below < half).sum(1).clip(max=end), (below <= half).sum(1).clip(max=end))
        middle = (distance[first] + distance[last]) / 2
        return np.where(below[:, -1] > 0, middle, np.nan)


def _sums(image: Array, values: Array, n: int) -> Statistics:
    """Sum and number of the finite values of each of n images."""
    finite = np.isfinite(values)
    return {
        "sum": np.bincount(image[finite], weights=values[finite], minlength=n),
        "points": np.bincount(image[finite], minlength=n),
    }


METRICS = {
    "point-error": PointError,
    "median-point-error": MedianPointError,
    "point-rmse": PointRmse,
    "nme": Nme,
}
