"""F1 of classes: macro, micro and weighted."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.weighted import Array, Weighted, average, confusion, decisions

SUMMARIES = {
    "macro": "mean over the classes of F1 = 2 TP / (2 TP + FP + FN)",
    "micro": "F1 over the decisions of all labels together",
    "weighted": "mean over the classes of F1, weighted by class size",
}


class F1(Weighted):
    """F1, which is 2 TP / (2 TP + FP + FN), as `sklearn.metrics.f1_score`.

    Args:
        mean: "macro", the mean over the classes: one that neither the target nor the predictions contain is
            left out, as with `zero_division=nan`; one that is predicted only counts as 0. "micro", over all
            decisions of all labels: with one label an image it equals the accuracy; not defined (sklearn: 0)
            where there is neither a true nor a predicted label. "weighted", the mean over the classes by how
            many images have the class in the target; not defined without any true label.
    """

    scale = "share"

    def __init__(self, mean: Literal["macro", "micro", "weighted"]) -> None:
        super().__init__()
        self.mean = mean
        self.card = MetricCard(
            f"{mean} F1", SUMMARIES[mean], higher_is_better=True, best=1.0, target_types=("label",)
        )

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"target", "predicted": (N,) class, or (N, K) bool}."""
        return decisions(prediction, target)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, true, predicted = confusion(stats, weights)
        if self.mean == "macro":
            return average(2 * right / (true + predicted), true + predicted > 0)
        if self.mean == "micro":
            right, true, predicted = (x.sum(1) for x in (right, true, predicted))
            return np.asarray(2 * right / (true + predicted))
        f1 = np.where(true + predicted > 0, 2 * right / (true + predicted), 0.0)
        return np.asarray((f1 * true).sum(1) / true.sum(1))


METRICS = {
    "macro-f1": partial(F1, "macro"),
    "micro-f1": partial(F1, "micro"),
    "weighted-f1": partial(F1, "weighted"),
}
