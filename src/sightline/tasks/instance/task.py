"""Instance segmentation: metrics, baselines, mosaic, score threshold and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Evaluation, Metric
from sightline.core.report import Figure
from sightline.core.targets.base import Targets
from sightline.core.task import Augment, Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mosaic import mosaic, multiscale_resize
from sightline.data.transforms.steps import compose
from sightline.metrics.aji import Aji
from sightline.metrics.cell_ap import CellAp
from sightline.metrics.detections import best_thresholds
from sightline.metrics.functional.masks import by_masks
from sightline.metrics.mean_average_precision import MeanAveragePrecision
from sightline.metrics.object_f1 import ObjectF1
from sightline.metrics.panoptic import PanopticQuality
from sightline.runtime.targets import records
from sightline.tasks.instance import CARD
from sightline.tasks.instance._figures import figures
from sightline.tasks.instance.baselines import baselines
from sightline.tasks.instance.options import InstanceOptions

STRIDE = 32
"""What input sides are multiples of."""
THRESHOLD = 0.25
"""Confidence from which objects are shown where none was chosen on validation."""


class Instance(Task):
    """Instance segmentation: mask, class and confidence of each object."""

    card = CARD
    Options: ClassVar[type] = InstanceOptions

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """A bright square and a bright disc on a dark ground, in images of six times the size."""
        return tiny(CARD.target_type, n, 6 * size, seed)

    @property
    def multiscale(self) -> float:
        """As `--multiscale` says."""
        share: float = self.options.multiscale
        return share

    def metrics(self) -> Mapping[str, Metric]:
        """COCO's AP of masks first."""
        chosen: list[Metric] = [
            MeanAveragePrecision(on="masks"),
            MeanAveragePrecision(iou=0.5, on="masks"),
            MeanAveragePrecision(iou=0.75, on="masks"),
            MeanAveragePrecision(),
            CellAp(),
            ObjectF1(),
            PanopticQuality(),
            Aji(),
        ]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Most frequent object, and a watershed."""
        return baselines(len(self._names))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Mosaic until near the end, standard augmentation, and multi-scale batches."""
        options = self.options
        if standard is None:
            return None
        four = mosaic(options.mosaic) if options.mosaic and progress < options.mosaic_until else None
        other = multiscale_resize(self.multiscale, STRIDE) if self.multiscale else None
        return compose(four, standard, other)

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """Score threshold of each class with the best F1 on validation; scores are rescaled so that it
        becomes 0.5, the threshold for display and counting.
        """
        evaluation = Evaluation(prediction, target)
        thresholds = best_thresholds(evaluation, len(self._names), THRESHOLD, by_masks)
        return {"cuts": [round(t, 4) for t in thresholds], "thresholds": [0.5] * len(thresholds)}

    def describe_targets(self, targets: Targets) -> list[str]:
        """Number of objects of each class."""
        return [row["found"] for row in self.to_records(targets)]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """Number of objects, how many of each class, and the highest confidence."""
        return records(prediction, self._names)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Scores by class, kinds of errors, and the worst images."""
        thresholds = settings.get("thresholds", [THRESHOLD] * len(self._names))
        return figures(prediction, target, ids, self._names, thresholds)


TASK = Instance
