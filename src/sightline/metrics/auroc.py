"""AUROC (area under the ROC curve): how often a positive has a higher score than a negative."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.ranking import one_against_rest, ranking_statistics
from sightline.metrics.functional.weighted import Array, Weighted


class Auroc(Weighted):
    """Area under the ROC curve, each class against the rest, mean over the classes.

    The share of pairs of a positive and a negative in which the positive has the higher score; ties
    count half. Classes (labels) that all or no images have are left out of the mean, where
    `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")` is not defined; otherwise it
    is the same, and for two classes the usual binary value.

    Source: Hanley & McNeil, The meaning and use of the area under a ROC curve, Radiology 1982.
    """

    card = MetricCard(
        name="AUROC",
        summary="area under the ROC curve, mean over the classes",
        higher_is_better=True,
        best=1.0,
        target_types=("label",),
    )
    scale = "share"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"scores": (N, K), "target": (N,) class or (N, K) bool}."""
        return ranking_statistics(prediction, target)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return one_against_rest(stats, weights, _area, negatives=True)


def _area(positive: Array, negative: Array) -> Array:
    below = negative.sum(1, keepdims=True) - np.cumsum(negative, 1) + negative / 2
    return np.asarray(np.einsum("bg,bg->b", positive, below) / (positive.sum(1) * negative.sum(1)))


METRIC = Auroc
