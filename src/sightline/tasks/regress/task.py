"""Regression: metrics, baselines and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Exhibit, Gallery, Scatter
from sightline.core.targets.number import Number
from sightline.core.task import Augment, Baseline, Task
from sightline.data.io.pixels import Arrays
from sightline.data.transforms.mix import mixup
from sightline.data.transforms.steps import chain
from sightline.metrics.mae import Mae
from sightline.metrics.r2 import R2
from sightline.metrics.rmse import Rmse
from sightline.runtime import rows
from sightline.tasks.regress import CARD
from sightline.tasks.regress.baselines import baselines
from sightline.tasks.regress.options import Options

SHOWN = 12
"""Pictures in a gallery, and the most points in a scatter are 2,000."""


class Regress(Task):
    """Which numbers belong to an image."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def toy(n: int, size: int, seed: int) -> Dataset:
        """Grey squares: the number is their brightness."""
        rng = np.random.default_rng(seed)
        value = np.linspace(0, 200, n)
        noise = rng.integers(0, 20, (n, size, size, 1))
        images = (value[:, None, None, None] + noise).astype(np.uint8)
        ids = [f"toy/{i:03d}" for i in range(n)]
        truth = Number(torch.from_numpy(value[:, None]).float())
        return Dataset("toy", "toy", ids, Arrays(images), truth, outputs=("brightness",))

    def metrics(self) -> Mapping[str, Metric]:
        """MAE first."""
        chosen: list[Metric] = [Mae(), Rmse(), R2()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Mean, and a linear model on small pictures."""
        return baselines()

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """The standard changes, then mixup where asked for."""
        del strength, progress
        return chain(standard, mixup(self.options.mixup) if self.options.mixup else None)

    @staticmethod
    def strata(targets: Any) -> np.ndarray | None:
        """The quintile of the first number, so that all parts see the whole range."""
        value = targets.value[:, 0].numpy()
        return np.asarray(np.searchsorted(np.quantile(value, [0.2, 0.4, 0.6, 0.8]), value))

    def captions(self, targets: Any) -> list[str]:
        """The numbers."""
        return [", ".join(f"{v:.4g}" for v in row) for row in targets.value.tolist()]

    def rows(self, prediction: Any) -> list[dict[str, Any]]:
        """One column a number."""
        return [rows.number(self.info.outputs, v) for v in prediction.value.tolist()]

    def exhibits(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Exhibit]:
        """Prediction against truth for each number, and the largest errors as pictures."""
        items: list[Exhibit] = []
        for m, name in enumerate(self.info.outputs):
            pairs = list(zip(truth.value[:, m].tolist(), prediction.value[:, m].tolist(), strict=True))
            items.append(
                Scatter(f"Prediction against truth: {name}", "truth", "prediction", pairs[:2000], True)
            )
        spread = torch.tensor([r[1] for r in self.info.range])
        error = ((prediction.value - truth.value).abs() / spread).max(1).values
        for title, largest in (("Largest errors", True), ("Smallest errors", False)):
            where = error.argsort(descending=largest)[:SHOWN].tolist()
            captions = [f"{_text(prediction.value[i])}, is {_text(truth.value[i])}" for i in where]
            items.append(Gallery(title, [ids[i] for i in where], captions))
        return items


def _text(values: torch.Tensor) -> str:
    return ", ".join(f"{v:.4g}" for v in values.tolist())


TASK = Regress
