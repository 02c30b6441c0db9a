"""COCO's average precision and recall of keypoints by object keypoint similarity: OKS AP, AP50, AP75, AR."""

from __future__ import annotations

from functools import partial
from typing import Literal

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.boxes import EVERY, average_precision, average_recall
from sightline.metrics.functional.keypoints import oks_statistics
from sightline.metrics.functional.matching import THRESHOLDS
from sightline.metrics.functional.weighted import Array, Weighted

Area = Literal["all", "medium", "large"]


class OksPrecision(Weighted):
    """Average precision of keypoints: as AP of boxes, with OKS in place of the IoU.

    As `pycocotools` with iouType "keypoints": 20 objects count in each image and class; crowds and objects
    without labeled points are left out; hidden points (visibility 1) count as visible ones. The sigmas are
    those of the skeleton; where it has none, one value for all points, and the number cannot be compared
    with others.

    Args:
        threshold: OKS from which on an object is found, one of `THRESHOLDS`; None: the mean over all ten.
        area: Size of the objects that count.

    Source: Lin et al., Microsoft COCO, keypoint evaluation, and its evaluation code.
    """

    scale = "share"
    rises = True

    def __init__(self, threshold: float | None = None, area: Area = "all") -> None:
        super().__init__()
        self.area = area
        self.places = EVERY if threshold is None else (THRESHOLDS.round(2).tolist().index(threshold),)
        at = "mean over OKS 0.5:0.95" if threshold is None else f"at OKS {threshold}"
        size = "" if area == "all" else f" {area}"
        number = "" if threshold is None else f"{100 * threshold:.0f}"
        self.card = MetricCard(
            f"OKS AP{number}{size}",
            f"area under the precision-recall curve of keypoints, {at}{size and f',{size} objects'} (COCO)",
            higher_is_better=True,
            best=1.0,
            target_types=("keypoints",),
        )

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"detections", "objects": (N,) bytes}; see `boxes.by_image`."""
        return oks_statistics(evaluation, self.area)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_precision(stats, weights, self.places)


class OksRecall(Weighted):
    """Recall of keypoints, mean over the classes and ten thresholds of OKS; see `OksPrecision`.

    As AR of `pycocotools` with iouType "keypoints".

    Source: Lin et al., Microsoft COCO, keypoint evaluation, and its evaluation code.
    """

    card = MetricCard(
        name="OKS AR",
        summary="share of objects found by 20 a class and image, mean over OKS 0.5:0.95 (COCO)",
        higher_is_better=True,
        best=1.0,
        target_types=("keypoints",),
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"detections", "objects": (N,) bytes}; see `boxes.by_image`."""
        return oks_statistics(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_recall(stats, weights)


METRICS = {
    "oks-ap": OksPrecision,
    "oks-ap50": partial(OksPrecision, threshold=0.5),
    "oks-ap75": partial(OksPrecision, threshold=0.75),
    "oks-ap-medium": partial(OksPrecision, area="medium"),
    "oks-ap-large": partial(OksPrecision, area="large"),
    "oks-ar": OksRecall,
}
