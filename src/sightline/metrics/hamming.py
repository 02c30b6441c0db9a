"""Hamming loss: the share of wrong label decisions."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, mean


class Hamming(Weighted):
    """Share of wrong decisions among all (image, label) pairs; with one label an image, of images.

    As `sklearn.metrics.hamming_loss`.
    """

    card = MetricCard(
        name="hamming",
        summary="share of wrong decisions among all pairs of image and label (Hamming loss)",
        higher_is_better=False,
        best=0.0,
        target_types=("label",),
        percent=True,
    )
    scale = "share"

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"wrong": (N,) share of the decisions of each image}."""
        wrong = array(prediction.value) != array(target.value)
        return {"wrong": wrong.astype(np.float64) if wrong.ndim == 1 else wrong.mean(1)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["wrong"], weights)


METRIC = Hamming
