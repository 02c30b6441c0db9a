"""Cell AP50-95: the score of the Data Science Bowl 2018, TP / (TP + FP + FN) at ten IoU thresholds."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.objects import tallies
from sightline.metrics.functional.weighted import Array, Weighted, mean


class CellAp(Weighted):
    """Mean over the images of the mean over ten IoU thresholds, 0.50 to 0.95, of TP / (TP + FP + FN).

    Each object finds at most one of its own class. It has no curve and no ranking: objects said with a
    confidence of at least 0.5 count, all if they have none. Crowds and difficult objects, and what finds
    them, are left out, and so are images where nothing is and nothing is said.

    Source: Caicedo et al., Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl,
    Nature Methods 16, 2019, methods.

    """

    card = MetricCard(
        name="cell AP50-95",
        summary="TP / (TP + FP + FN) of objects of confidence 0.5 or more, mean over IoU 0.5:0.95 and images",
        higher_is_better=True,
        best=1.0,
        target_types=("outlines",),
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "wrong": (N, 10), "objects": (N,)}; see `objects.tallies`."""
        return tallies(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, size = stats["right"], stats["wrong"] + stats["objects"][:, None]
        defined = size.any(1)
        # A mask that finds a crowd at some thresholds leaves nothing to be judged there: all right.
        each = np.divide(right, size, out=np.ones(size.shape), where=size > 0).mean(1)
        return mean(each[defined], weights[:, defined])


METRIC = CellAp
