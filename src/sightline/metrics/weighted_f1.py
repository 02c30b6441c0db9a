"""Weighted F1: F1 of each class, mean over the classes weighted by class size."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.weighted import Array, Weighted, confusion, decisions


class WeightedF1(Weighted):
    """Mean over the classes of F1, weighted by how many images have the class in the truth.

    As `sklearn.metrics.f1_score(average="weighted")`. Not defined without any true label.
    """

    card = MetricCard(
        name="weighted F1",
        summary="mean over the classes of F1, weighted by class size",
        higher_is_better=True,
        best=1.0,
        truths=("label",),
    )
    scale = "share"

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"truth", "predicted": (N,) class, or (N, K) bool}."""
        return decisions(prediction, truth)

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, true, predicted = confusion(stats, weights)
        f1 = np.where(true + predicted > 0, 2 * right / (true + predicted), 0.0)
        return np.asarray((f1 * true).sum(1) / true.sum(1))


METRIC = WeightedF1
