"""Top-k accuracy: the share of images whose target class is among the k highest scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, mean, probabilities


class TopK(Weighted):
    """Share of images whose true class is among the k with the highest scores.

    Of classes with equal scores the one with the lower index comes first, as with `argmax`, so
    that top-1 is the accuracy. (`sklearn.metrics.top_k_accuracy_score` lets the higher index come
    first; without ties both are equal.)

    Args:
        k: How many classes may be named; says nothing unless there are more classes than that.
    """

    card = MetricCard(
        name="top-k accuracy",
        summary="share of images whose class is among the k with the highest scores",
        higher_is_better=True,
        best=1.0,
        target_types=("label",),
        is_proportion=True,
        percent=True,
    )
    scale = "share"
    several = False

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k must be at least 1. Received {k}.")
        self.k = k
        # The card belongs to the class; only its name depends on k.
        vars(self)["card"] = replace(self.card, name=f"top-{k} accuracy")

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"right": (N,) 0 or 1}."""
        scores, label = probabilities(prediction), array(target.value)
        if label.ndim == 2:
            raise ValueError("Top-k accuracy needs one label an image. Received several.")
        true_scores = np.take_along_axis(scores, label[:, None], 1)
        before = (scores > true_scores) | (
            (scores == true_scores) & (np.arange(scores.shape[1]) < label[:, None])
        )
        return {"right": (before.sum(1) < self.k).astype(np.float64)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["right"], weights)


METRIC = TopK
