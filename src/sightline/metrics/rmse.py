"""RMSE: the root mean squared error."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.core.targets.base import Targets
from sightline.metrics.functional.weighted import Array, Weighted, errors, mean


class Rmse(Weighted):
    """Root of the mean squared error, in the unit of the target; mean over the outputs' roots.

    As `sklearn.metrics.root_mean_squared_error`.
    """

    card = MetricCard(
        name="RMSE",
        summary="root mean squared error, in the unit of the target",
        higher_is_better=False,
        best=0.0,
        target_types=("number",),
    )
    scale = "ratio"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"square": (N, M)}."""
        return {"square": errors(prediction, target) ** 2}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(np.sqrt(mean(stats["square"], weights)).mean(1))


METRIC = Rmse
