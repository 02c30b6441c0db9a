"""mIoU: intersection over union of each class over all pixels of all images, mean over the classes."""

from __future__ import annotations

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.pixels import regions, sums
from sightline.metrics.functional.weighted import Array, Weighted, average


class MeanIoU(Weighted):
    """Mean over the classes of intersection over union, from one confusion matrix over the whole set.

    Classes count that occur in the target: one that is only predicted makes others worse, but has no IoU
    of its own. Void pixels are left out. Mean IoU by image (`ImageIoU`) is another number.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge: a retrospective, IJCV 111, 2015.
    """

    card = MetricCard(
        name="mIoU",
        summary="intersection over union over all pixels of the set, mean over the classes in the targets",
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
        return average(right / (target + predicted - right), target > 0)


METRIC = MeanIoU
