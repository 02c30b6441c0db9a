"""Semantic segmentation: metrics, baselines, and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure
from sightline.core.targets.base import Targets
from sightline.core.targets.masks import MAX_CLASSES
from sightline.core.task import Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.errors import DataError
from sightline.metrics.boundary_f1 import BoundaryF1
from sightline.metrics.class_accuracy import ClassAccuracy
from sightline.metrics.dice_score import DiceScore
from sightline.metrics.image_iou import ImageIoU
from sightline.metrics.miou import MeanIoU
from sightline.metrics.pixel_accuracy import PixelAccuracy
from sightline.runtime.targets import records
from sightline.tasks.semantic import CARD
from sightline.tasks.semantic._figures import figures
from sightline.tasks.semantic.baselines import baselines
from sightline.tasks.semantic.options import SemanticOptions


class Semantic(Task):
    """Semantic segmentation: a class for each pixel."""

    card = CARD
    Options: ClassVar[type] = SemanticOptions

    def __init__(self, info: Any, options: Any) -> None:
        super().__init__(info, options)
        if len(self._names) > MAX_CLASSES:
            raise DataError(
                f"Class maps tell up to {MAX_CLASSES} classes apart. Received {len(self._names)}."
            )

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """A bright square and a red bar on a dark ground, in images of four times the size."""
        return tiny(CARD.target_type, n, 4 * size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """mIoU of ONE confusion matrix over the whole set first; the mean over images has another name."""
        chosen: list[Metric] = [
            MeanIoU(), DiceScore(), PixelAccuracy(), ClassAccuracy(), ImageIoU(), BoundaryF1(),
        ]  # fmt: skip
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Position, colors, a random forest; and Otsu's threshold for two classes."""
        return baselines(len(self._names))

    def describe_targets(self, targets: Targets) -> list[str]:
        """The classes of each image, the largest first, with their share."""
        return [row["found"] for row in self.to_records(targets)]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """The share of each class in each image."""
        return records(prediction, self._names)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """IoU by class, confusion matrix, errors at borders, and the worst images."""
        del settings
        return figures(prediction, target, ids, self._names)


TASK = Semantic
