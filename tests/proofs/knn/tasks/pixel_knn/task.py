"""The task: accuracy, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sightline.tasks.pixel_knn import CARD

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.task import Task
from sightline.data.open import open_data
from sightline.metrics.accuracy import Accuracy


@dataclass(frozen=True)
class Options:
    """Settings.

    Args:
        k: Neighbors that are asked.
    """

    k: int = 3


class PixelKnn(Task):
    """Which class an image shows."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return open_data("digits").subset(range(n))

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": Accuracy()}

    def describe_targets(self, targets: Any) -> list[str]:
        assert self.info.classes is not None
        return [self.info.classes.names[int(v)] for v in targets.value]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return [{"label": caption} for caption in self.describe_targets(prediction)]


TASK = PixelKnn
