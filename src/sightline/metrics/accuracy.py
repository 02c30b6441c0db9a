"""Accuracy: the share of images whose prediction is correct."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, mean


class Accuracy(Weighted):
    """Share of images whose predicted class is the true one.

    Where an image may have several labels, an image is right if all of its labels are (exact
    match, also called subset accuracy). As `sklearn.metrics.accuracy_score`.
    """

    card = MetricCard(
        name="accuracy",
        summary="share of images that are right (all labels, for images with several)",
        higher_is_better=True,
        best=1.0,
        target_types=("label",),
        is_proportion=True,
        percent=True,
    )
    scale = "share"

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"right": (N,) 0 or 1}."""
        right = array(prediction.value) == array(target.value)
        return {"right": (right if right.ndim == 1 else right.all(1)).astype(np.float64)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["right"], weights)


METRIC = Accuracy
