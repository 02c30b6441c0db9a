"""The task: mean absolute error, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sightline.tasks.coverage import CARD

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.task import Task
from sightline.data.open import open_data
from sightline.metrics.mae import Mae


@dataclass(frozen=True)
class Options:
    """No settings."""


class Coverage(Task):
    """The share of an image that objects cover."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return open_data(f"shapes:area:{n}")

    def metrics(self) -> Mapping[str, Metric]:
        return {"MAE": Mae()}

    def describe_targets(self, targets: Any) -> list[str]:
        return [f"{v:.0f} %" for v in targets.value[:, 0]]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return [{"cover": v} for v in prediction.value[:, 0].tolist()]


TASK = Coverage
