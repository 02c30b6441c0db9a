"""Macro F1: F1 of each class, mean over the classes."""

from __future__ import annotations

from typing import Any

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.weighted import Array, Weighted, average, confusion, decisions


class MacroF1(Weighted):
    """Mean over the classes of F1, which is 2 TP / (2 TP + FP + FN).

    A class that neither the truth nor the predictions contain is left out; one that is predicted
    only counts as 0. As `sklearn.metrics.f1_score(average="macro", zero_division=nan)`, which for
    one label an image is the same as its default.
    """

    card = MetricCard(
        name="macro F1",
        summary="mean over the classes of F1 = 2 TP / (2 TP + FP + FN)",
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
        return average(2 * right / (true + predicted), true + predicted > 0)


METRIC = MacroF1
