"""Mask mAP50-95: COCO's average precision of masks."""

from __future__ import annotations

from typing import Any

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics.functional.boxes import average_precision, by_image
from sightline.metrics.functional.masks import by_masks
from sightline.metrics.functional.matching import limit
from sightline.metrics.functional.weighted import Array, Weighted


class MaskAp(Weighted):
    """Mean over the classes and over ten IoU thresholds, 0.50 to 0.95, of the average precision of masks.

    As AP of `pycocotools` for "segm"; all is as for boxes (`Ap`) but that overlaps are counted in pixels of
    the masks. 100 objects count in each image and class: pictures of more, such as cells, want
    `ObjectF1` or `CellAp`.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    card = MetricCard(
        name="mask mAP50-95",
        summary="area under the precision-recall curve of masks, mean over classes and IoU 0.5:0.95 (COCO)",
        higher_is_better=True,
        best=1.0,
        truths=("outlines",),
    )
    scale = "share"
    rises = True

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"detections", "objects": (N,) bytes}; see `_boxes.by_image`."""
        return by_image(prediction, truth, measure=by_masks)

    def limit(self, truth: Any) -> str:
        """See `Metric.limit`."""
        return limit(truth)

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_precision(stats, weights)


METRIC = MaskAp
