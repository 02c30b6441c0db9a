"""mAP50: average precision of boxes that overlap their object by 50 %."""

from __future__ import annotations

from typing import Any

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.boxes import average_precision, by_image
from sightline.metrics.functional.weighted import Array, Weighted


class Ap50(Weighted):
    """Mean over the classes of the average precision of boxes at IoU 0.50.

    As AP50 of `pycocotools`; see `Ap` for what counts.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    card = MetricCard(
        name="mAP50",
        summary="area under the precision-recall curve of boxes at IoU 0.5, mean over the classes (COCO)",
        higher_is_better=True,
        best=1.0,
        truths=("instances",),
    )
    scale = "share"
    rises = True

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"detections", "objects": (N,) bytes}; see `_boxes.by_image`."""
        return by_image(prediction, truth)

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_precision(stats, weights, (0,))


METRIC = Ap50
