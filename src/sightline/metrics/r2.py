"""R2 (coefficient of determination): the share of the variance that is explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, average, errors, mean


class R2(Weighted):
    """1 - (sum of squared errors) / (sum of squares about the mean); mean over the outputs.

    0 is what the mean of the test targets would get; below 0 is worse than that. Outputs whose target
    is constant are left out (scikit-learn's `r2_score` counts them as 0 or 1); otherwise the same.
    """

    card = MetricCard(
        name="R2",
        summary="share of the variance of the targets that is explained; 0 is what their mean gets",
        higher_is_better=True,
        best=1.0,
        target_types=("number",),
    )
    scale = "ratio"

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"square": (N, M), "target": (N, M)}."""
        return {"square": errors(prediction, target) ** 2, "target": array(target.value).astype(np.float64)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        target = stats["target"] - stats["target"].mean(0)  # the same variance with fewer lost digits
        center = mean(target, weights)
        spread = mean(target**2, weights) - center**2
        # Rounding can leave a spread of about 1e-16 where there is none.
        defined = spread > 1e-12 * (target**2).max(0)
        return average(1 - mean(stats["square"], weights) / spread, defined)


METRIC = R2
