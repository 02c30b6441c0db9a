"""Regression: metrics, baselines and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, PredictionGallery, Scatter
from sightline.core.targets.base import Targets
from sightline.core.task import Augment, Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mix import mixup
from sightline.data.transforms.steps import compose
from sightline.metrics.mae import Mae
from sightline.metrics.r2 import R2
from sightline.metrics.rmse import Rmse
from sightline.runtime.targets import records
from sightline.tasks.regress import CARD
from sightline.tasks.regress.baselines import baselines
from sightline.tasks.regress.options import RegressOptions

MAX_SHOWN = 12
"""Images in a gallery, and the most points in a scatter are 2,000."""


class Regress(Task):
    """Image regression: numbers of an image."""

    card = CARD
    Options: ClassVar[type] = RegressOptions

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Grey squares: the number is their brightness."""
        return tiny(CARD.target_type, n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """MAE first."""
        chosen: list[Metric] = [Mae(), Rmse(), R2()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Mean, and a linear model on small images."""
        return baselines()

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Standard augmentation, then mixup if requested."""
        del strength, progress
        return compose(standard, mixup(self.options.mixup) if self.options.mixup else None)

    def describe_targets(self, targets: Any) -> list[str]:
        """The numbers."""
        return [", ".join(f"{v:.4g}" for v in row) for row in targets.value.tolist()]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """One column a number."""
        return records(prediction, (), self.info.outputs)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Predictions against targets for each number, and the images with the largest errors."""
        items: list[Figure] = []
        for m, name in enumerate(self.info.outputs):
            pairs = list(zip(target.value[:, m].tolist(), prediction.value[:, m].tolist(), strict=True))
            items.append(
                Scatter(f"Prediction against target: {name}", "target", "prediction", pairs[:2000], True)
            )
        spread = torch.tensor([r[1] for r in self.info.output_stats])
        error = ((prediction.value - target.value).abs() / spread).max(1).values
        for title, largest in (("Largest errors", True), ("Smallest errors", False)):
            where = error.argsort(descending=largest)[:MAX_SHOWN].tolist()
            captions = [f"{_text(prediction.value[i])}, is {_text(target.value[i])}" for i in where]
            items.append(PredictionGallery(title, [ids[i] for i in where], captions))
        return items


def _text(values: torch.Tensor) -> str:
    return ", ".join(f"{v:.4g}" for v in values.tolist())


TASK = Regress
