"""Boundary F1: F1 score of the borders between classes, within a tolerance."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.metrics.functional.pixels import maps, paired
from sightline.metrics.functional.weighted import Array, Weighted, mean

TOLERANCE = 0.0075
"""Distance from which on a border is wrong, as a share of the image's diagonal."""


class BoundaryF1(Weighted):
    """Mean over the images of the mean F1 over the classes that have a border in that image's target.

    A border pixel has a neighbour (above, below, beside) of another class. Precision is the share of the
    predicted border pixels of a class that lie nearer to its true border than 0.75 % of the image's
    diagonal, recall the other way round. Void pixels are no neighbours and have no border. Images
    without a border are left out.

    Source: Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013.
    """

    card = MetricCard(
        name="boundary F1",
        summary="F1 of the borders of classes within 0.75 % of the image's diagonal, mean over the images",
        higher_is_better=True,
        best=1.0,
        target_types=("masks",),
        percent=True,
    )
    scale = "share"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"f1": (N,) sum over classes, "classes": (N,) number of classes with a border}."""
        paired(prediction, target)
        scores_by_image = [_scores(*maps(prediction, target, i)) for i in range(len(target))]
        f1 = np.array([sum(scores) for scores in scores_by_image], dtype=np.float64)
        return {"f1": f1, "classes": np.array([len(scores) for scores in scores_by_image], dtype=np.int64)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        defined = stats["classes"] > 0
        return mean(stats["f1"][defined] / stats["classes"][defined], weights[:, defined])


def _scores(predicted: Array, target: Array) -> list[float]:
    """F1 of each class that has a border in the target."""
    valid = target != IGNORE_INDEX
    edge, true = _border(predicted, valid), _border(target, valid)
    reach = TOLERANCE * math.hypot(*target.shape)
    return [_f1(edge & (predicted == k), true & (target == k), reach) for k in np.unique(target[true])]


def _border(class_map: Array, valid: Array) -> Array:
    """(H, W) bool: which pixels have a neighbour of another class."""
    edge = np.zeros(class_map.shape, dtype=bool)
    across = (class_map[:, 1:] != class_map[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    down = (class_map[1:] != class_map[:-1]) & valid[1:] & valid[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def _f1(edge: Array, true: Array, reach: float) -> float:
    """F1 of a predicted and a true border; the true one has pixels."""
    if not edge.any():
        return 0.0
    either = edge | true
    rows, columns = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    edge, true = edge[window], true[window]
    precision = float((ndimage.distance_transform_edt(~true)[edge] < reach).mean())
    recall = float((ndimage.distance_transform_edt(~edge)[true] < reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


METRIC = BoundaryF1
