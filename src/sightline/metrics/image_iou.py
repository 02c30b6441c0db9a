"""Image IoU: intersection over union of the classes in each image, mean over the images."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.pixels import image_ious, regions
from sightline.metrics.functional.weighted import Array, Weighted, mean


class ImageIoU(Weighted):
    """Mean over the images of the mean IoU over the classes in that image's target.

    Small objects and small images count as much as large ones, unlike in mIoU. Images whose target is
    all void are left out.

    Source: Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013.
    """

    card = MetricCard(
        name="image IoU",
        summary="intersection over union in each image, mean over its classes, then over the images",
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
        iou, present = image_ious(stats)
        defined = present.any(1)
        each = np.where(present, iou, 0.0).sum(1)[defined] / present.sum(1)[defined]
        return mean(each, weights[:, defined])


METRIC = ImageIoU
