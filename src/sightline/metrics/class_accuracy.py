"""Class accuracy: the recall of each class's pixels, mean over the classes."""

from __future__ import annotations

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.pixels import regions, sums
from sightline.metrics.functional.weighted import Array, Weighted, average


class ClassAccuracy(Weighted):
    """Mean over the classes in the target of the share of their pixels, of all images, that is right.

    It is mean recall: pixels wrongly said to be of a class cost that class nothing. Void pixels are left out.

    Source: Long et al., Fully convolutional networks for semantic segmentation, CVPR 2015, section 5
    ("mean accuracy").
    """

    card = MetricCard(
        name="class accuracy",
        summary="recall of the pixels of each class, mean over the classes in the targets",
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
        right, target, _ = sums(stats, weights)
        return average(right / target, target > 0)


METRIC = ClassAccuracy
