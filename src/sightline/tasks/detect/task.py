"""Detection: metrics, baselines, mosaic, score threshold and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Evaluation, Metric
from sightline.core.report import Figure, Finding
from sightline.core.targets.base import Targets
from sightline.core.task import Augment, Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mosaic import mixup_boxes, mosaic, multiscale_resize
from sightline.data.transforms.steps import compose
from sightline.metrics.detections import best_thresholds
from sightline.metrics.mean_average_precision import AverageRecall, MeanAveragePrecision
from sightline.metrics.voc_ap import VocAp
from sightline.runtime.targets import records
from sightline.tasks.detect import CARD
from sightline.tasks.detect._figures import figures
from sightline.tasks.detect._label_issues import FINDINGS, label_issues
from sightline.tasks.detect.baselines import baselines
from sightline.tasks.detect.options import DetectOptions

STRIDE = 32
"""What input sides are multiples of."""
THRESHOLD = 0.25
"""Confidence from which boxes are shown where none was chosen on validation."""


class Detect(Task):
    """Object detection: a box, a class and a confidence for each object."""

    card = CARD
    Options: ClassVar[type] = DetectOptions
    findings = FINDINGS

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Bright squares and bars on a dark ground, in images of six times the size."""
        return tiny(CARD.target_type, n, 6 * size, seed)

    @property
    def multiscale(self) -> float:
        """As `--multiscale` says."""
        share: float = self.options.multiscale
        return share

    def metrics(self) -> Mapping[str, Metric]:
        """COCO's AP first."""
        chosen: list[Metric] = [
            MeanAveragePrecision(),
            MeanAveragePrecision(iou=0.5),
            MeanAveragePrecision(iou=0.75),
            MeanAveragePrecision(area="small"),
            MeanAveragePrecision(area="medium"),
            MeanAveragePrecision(area="large"),
            AverageRecall(),
            VocAp(),
        ]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Most frequent box, and sliding windows."""
        return baselines(len(self._names))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Mosaic until near the end, standard augmentation, and multi-scale batches."""
        options = self.options
        if standard is None:
            return None
        four = mosaic(options.mosaic) if options.mosaic and progress < options.mosaic_until else None
        mixup = mixup_boxes(options.mixup) if options.mixup and progress < options.mosaic_until else None
        other = multiscale_resize(self.multiscale, STRIDE) if self.multiscale else None
        return compose(four, standard, mixup, other)

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """Score threshold of each class with the best F1 on validation, for display."""
        fitted = best_thresholds(Evaluation(prediction, target), len(self._names), THRESHOLD)
        return {"thresholds": [round(t, 4) for t in fitted]}

    def describe_targets(self, targets: Targets) -> list[str]:
        """Number of objects of each class."""
        return [row["found"] for row in self.to_records(targets)]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """Number of objects, how many of each class, and the highest confidence."""
        return records(prediction, self._names)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Precision-recall curves, confusion matrix, cost of kinds of errors, and the worst images."""
        return figures(prediction, target, ids, self._names, self._thresholds(settings))

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues: boxes that are probably missing, of a wrong class, or around nothing."""
        return label_issues(prediction, target, ids, self._names, self._thresholds(settings))

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()

    def _thresholds(self, settings: Mapping[str, Any]) -> list[float]:
        """Score threshold of each class, as chosen on validation."""
        thresholds: list[float] = settings.get("thresholds", [THRESHOLD] * len(self._names))
        return thresholds


TASK = Detect
