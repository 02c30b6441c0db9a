"""Log loss: the negative log-likelihood of the target class (cross-entropy)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, mean, probabilities


class LogLoss(Weighted):
    """Mean over the images of -ln p(true class), in nats.

    Probabilities below the machine epsilon of their type (1.2e-7 for float32, 2.2e-16 for
    float64) count as that, so one image costs at most 15.9 (36.0). Scikit-learn's `log_loss` also
    lowers probabilities above 1 - epsilon, which is a difference of at most epsilon. Where an
    image may have several labels, the mean over the labels of the binary log loss.

    Source: Good, Rational decisions, J. Roy. Stat. Soc. B 14, 1952.
    """

    card = MetricCard(
        name="log loss",
        summary="mean negative log-likelihood of the target class (nats)",
        higher_is_better=False,
        best=0.0,
        target_types=("label",),
    )
    scale = "ratio"

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"loss": (N,)}."""
        scores, label = probabilities(prediction), array(target.value)
        least = float(np.finfo(scores.dtype).eps)
        p = scores.astype(np.float64)
        likelihood = (
            np.where(label, p, 1 - p) if label.ndim == 2 else np.take_along_axis(p, label[:, None], 1)
        )
        # The sum with 0.0 turns -0.0 into 0.0.
        return {"loss": -np.log(np.maximum(likelihood, least)).mean(1) + 0.0}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["loss"], weights)


METRIC = LogLoss
