"""Average precision: the area under the precision-recall curve."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.ranking import one_against_rest, ranking_statistics
from sightline.metrics.functional.weighted import Array, Weighted


class AveragePrecision(Weighted):
    """Mean over the classes of the average precision of the class against the rest.

    The sum over all thresholds of (recall gained) x (precision there), without interpolation. As
    `sklearn.metrics.average_precision_score(average="macro")`, but classes without an image in the
    target are left out of the mean (sklearn counts them as 0). Two classes are two classes here:
    both count.

    Source: Buckley & Voorhees, Evaluating evaluation measure stability, SIGIR 2000.
    """

    card = MetricCard(
        name="average precision",
        summary="area under the precision-recall curve, mean over the classes",
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
        return one_against_rest(stats, weights, _average_precision, negatives=False)


def _average_precision(positive: Array, negative: Array) -> Array:
    positives = np.cumsum(positive, 1)
    shown = positives + np.cumsum(negative, 1)
    precision = np.divide(positives, shown, out=np.zeros_like(positives), where=shown > 0)
    return np.asarray(np.einsum("bg,bg->b", positive, precision) / positives[:, -1])


METRIC = AveragePrecision
