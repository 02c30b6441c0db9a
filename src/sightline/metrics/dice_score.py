"""mDice: the Dice coefficient of each class over all pixels of all images, mean over the classes."""

from __future__ import annotations

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.pixels import regions, sums
from sightline.metrics.functional.weighted import Array, Weighted, average


class DiceScore(Weighted):
    """Mean over the classes in the target of 2 |A and B| / (|A| + |B|), from all pixels of the set.

    It is the F1 score of pixels, and never less than IoU. Void pixels are left out.

    Source: Dice, Measures of the amount of ecologic association between species, Ecology 26, 1945.
    """

    card = MetricCard(
        name="mDice",
        summary="Dice coefficient (F1) over all pixels of the set, mean over the classes in the targets",
        higher_is_better=True,
        best=1.0,
        target_types=("masks",),
        percent=True,
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "target", "predicted": (N, 255)}; see `pixels.regions`."""
        return regions(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, target, predicted = sums(stats, weights)
        return average(2 * right / (target + predicted), target > 0)


METRIC = DiceScore
