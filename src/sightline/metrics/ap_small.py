"""mAP small: COCO's average precision of boxes, small objects only."""

from __future__ import annotations

from typing import Any

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.boxes import average_precision, by_image
from sightline.metrics.functional.weighted import Array, Weighted


class ApSmall(Weighted):
    """Average precision over IoU 0.50 to 0.95 of objects below 32 x 32 pixels in area.

    As APsmall of `pycocotools`: the area is the annotated one where there is one, else that of the
    box. Boxes of another size that find no such object are left out. See `Ap` for the rest.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    card = MetricCard(
        name="mAP small",
        summary="mAP50-95 of objects below 32 x 32 pixels in area (COCO)",
        higher_is_better=True,
        best=1.0,
        truths=("instances",),
    )
    scale = "share"
    rises = True

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"detections", "objects": (N,) bytes}; see `_boxes.by_image`."""
        return by_image(prediction, truth, "small")

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_precision(stats, weights)


METRIC = ApSmall
