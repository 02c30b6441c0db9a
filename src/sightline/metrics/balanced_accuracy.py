"""Balanced accuracy: the mean over the classes of the recall."""

from __future__ import annotations

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.weighted import Array, Weighted, average, confusion, decisions


class BalancedAccuracy(Weighted):
    """Mean recall over the classes that occur in the target.

    Chance is 1 / K whatever the class counts. Classes without an image in the target are left out.
    As `sklearn.metrics.balanced_accuracy_score`. Where an image may have several labels, the mean
    over the labels of (sensitivity + specificity) / 2; labels that all or no images have are left
    out.

    Source: Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.
    """

    card = MetricCard(
        name="balanced accuracy",
        summary="recall of each class, mean over the classes",
        higher_is_better=True,
        best=1.0,
        target_types=("label",),
        percent=True,
    )
    scale = "share"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"target", "predicted": (N,) class, or (N, K) bool}."""
        return decisions(prediction, target)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, true, predicted = confusion(stats, weights)
        if stats["target"].ndim == 1:
            return average(right / true, true > 0)
        without = weights.sum(1)[:, None] - true
        rejected = without - (predicted - right)
        return average((right / true + rejected / without) / 2, (true > 0) & (without > 0))


METRIC = BalancedAccuracy
