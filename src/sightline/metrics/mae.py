"""MAE: the mean absolute error."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.weighted import Array, Weighted, errors, mean


class Mae(Weighted):
    """Mean absolute error, in the unit of the target; mean over the outputs where there are several.

    As `sklearn.metrics.mean_absolute_error`.
    """

    card = MetricCard(
        name="MAE",
        summary="mean absolute error, in the unit of the target",
        higher_is_better=False,
        best=0.0,
        target_types=("number",),
    )
    scale = "ratio"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"error": (N, M) absolute}."""
        return {"error": np.abs(errors(prediction, target))}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(mean(stats["error"], weights).mean(1))


METRIC = Mae
