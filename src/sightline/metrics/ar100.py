"""AR100: COCO's average recall of boxes."""

from __future__ import annotations

from typing import Any

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.boxes import average_recall, by_image
from sightline.metrics.functional.weighted import Array, Weighted


class Ar100(Weighted):
    """Mean over the classes and ten IoU thresholds, 0.50 to 0.95, of the share of objects that are found.

    As AR of `pycocotools` with 100 detections; see `Ap` for what counts. Wrong boxes cost nothing here.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    card = MetricCard(
        name="AR100",
        summary="recall with 100 boxes a class and image, mean over classes and IoU 0.5:0.95 (COCO)",
        higher_is_better=True,
        best=1.0,
        truths=("instances",),
    )
    scale = "share"

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"detections", "objects": (N,) bytes}; see `_boxes.by_image`."""
        return by_image(prediction, truth)

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_recall(stats, weights)


METRIC = Ar100
