"""COCO's average precision and recall of boxes and masks: mAP50-95, mAP50, mAP75, by size, AR100."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.boxes import EVERY, average_precision, average_recall, by_image
from sightline.metrics.functional.masks import by_masks
from sightline.metrics.functional.matching import THRESHOLDS, by_boxes, limit
from sightline.metrics.functional.weighted import Array, Weighted

Area = Literal["all", "small", "medium", "large"]
SIZES = {
    "small": "objects below 32 x 32 pixels in area",
    "medium": "objects of 32 x 32 to 96 x 96 pixels in area",
    "large": "objects above 96 x 96 pixels in area",
}


class MeanAveragePrecision(Weighted):
    """Mean over the classes of the average precision of boxes or masks, at one IoU or over ten, 0.50 to 0.95.

    As AP of `pycocotools`: precision is read off at 101 recalls, 100 detections count in each image
    and class, and classes without an object are left out. Crowds and difficult objects are neither
    to be found nor wrong to find. Reading off the highest precision at or beyond a recall makes noise
    count as skill: in a simulation with five classes the value was 0.02 too high with 50 images and
    0.01 with 200, so that intervals held the true value in 88 and 89 % of 200 test sets, not in 95 %.

    Args:
        iou: Least overlap of what finds an object, one of `THRESHOLDS`; None: the mean over all ten.
        area: Size of the objects that count, as APsmall, APmedium, APlarge of `pycocotools`: the annotated
            area where there is one, else that of the box. Detections of another size that find no such object
            are left out.
        on: What overlaps. Masks are counted in pixels; images of more than 100 objects of a class, such as
            cells, want `ObjectF1` or `CellAp`.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    scale = "share"
    rises = True

    def __init__(
        self, iou: float | None = None, area: Area = "all", on: Literal["boxes", "masks"] = "boxes"
    ) -> None:
        super().__init__()
        self.area, self.measure = area, by_masks if on == "masks" else by_boxes
        self.places = EVERY if iou is None else (THRESHOLDS.round(2).tolist().index(iou),)
        self.card = _card(iou, area, on)

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"detections", "objects": (N,) bytes}; see `boxes.by_image`."""
        return by_image(evaluation, self.area, self.measure)

    def limit(self, target: Any) -> str:
        """See `Metric.limit`; empty for metrics of one object size."""
        return limit(target) if self.area == "all" else ""

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_precision(stats, weights, self.places)


class AverageRecall(Weighted):
    """Recall, mean over the classes and ten IoU thresholds, 0.50 to 0.95.

    As AR of `pycocotools` with 100 detections; see `MeanAveragePrecision` for what counts. Wrong boxes cost
    nothing here.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and its evaluation code.
    """

    card = MetricCard(
        name="AR100",
        summary="share of objects found by 100 boxes a class and image, mean over classes and IoU 0.5:0.95",
        higher_is_better=True,
        best=1.0,
        target_types=("instances",),
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"detections", "objects": (N,) bytes}; see `boxes.by_image`."""
        return by_image(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return average_recall(stats, weights)


def _card(iou: float | None, area: Area, on: str) -> MetricCard:
    """The card of a mean average precision: mAP50-95, mAP50, mAP small, mask mAP50-95, ..."""
    kind = "mask " if on == "masks" else ""
    overlap = "50-95" if iou is None else f"{100 * iou:.0f}"
    name, summary = f"mAP{overlap}", f"area under the precision-recall curve of {on}"
    if area != "all":
        name, summary = f"mAP{'' if iou is None else overlap} {area}", f"{kind}{name} of {SIZES[area]}"
    elif iou is None:
        summary += ", mean over classes and IoU 0.5:0.95"
    else:
        summary += f" at IoU {iou}, mean over the classes"
    both = (iou, area, on) == (None, "all", "boxes")
    targets = ("instances", "outlines") if both else ("outlines",) if kind else ("instances",)
    return MetricCard(
        f"{kind}{name}", f"{summary} (COCO)", higher_is_better=True, best=1.0, target_types=targets
    )


METRICS = {
    "ap": MeanAveragePrecision,
    "ap50": partial(MeanAveragePrecision, iou=0.5),
    "ap75": partial(MeanAveragePrecision, iou=0.75),
    "ap-small": partial(MeanAveragePrecision, area="small"),
    "ap-medium": partial(MeanAveragePrecision, area="medium"),
    "ap-large": partial(MeanAveragePrecision, area="large"),
    "mask-ap": partial(MeanAveragePrecision, on="masks"),
    "mask-ap50": partial(MeanAveragePrecision, iou=0.5, on="masks"),
    "mask-ap75": partial(MeanAveragePrecision, iou=0.75, on="masks"),
    "ar100": AverageRecall,
}
