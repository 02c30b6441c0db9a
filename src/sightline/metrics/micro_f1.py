"""Micro F1: F1 over all label decisions together."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.weighted import Array, Weighted, confusion, decisions


class MicroF1(Weighted):
    """F1 over all decisions of all labels, 2 TP / (2 TP + FP + FN).

    As `sklearn.metrics.f1_score(average="micro")`, but not defined (sklearn: 0) where there is
    neither a true nor a predicted label. With one label an image it equals the accuracy.
    """

    card = MetricCard(
        name="micro F1",
        summary="F1 over the decisions of all labels together",
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
        right, true, predicted = (x.sum(1) for x in confusion(stats, weights))
        return np.asarray(2 * right / (true + predicted))


METRIC = MicroF1
