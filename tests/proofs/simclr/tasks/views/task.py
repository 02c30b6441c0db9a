"""The task: the augmentation gives the model two views of each training image, as two inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from sightline.tasks.views import CARD

from sightline.core.card import MetricCard
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric, Statistics
from sightline.core.sample import Batch
from sightline.core.task import Augment, Task
from sightline.data.open import open_data
from sightline.runtime.targets import records


class Agreement(Metric):
    """How far embeddings are from being all alike: 1 less the length of their mean.

    Source: the first moment of uniformity, Wang, Isola, ICML 2020.
    """

    card = MetricCard(
        "agreement", "1 less the length of the mean embedding", True, 1.0, ("none",), paired=False
    )

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        return {"embeddings": prediction.embedding.double().numpy()}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        return 1 - float(np.linalg.norm(stats["embeddings"].mean(0)))


@dataclass(frozen=True)
class Options:
    """No settings."""


class Views(Task):
    """Embeddings without labels."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return open_data(f"shapes:{n}", target_type="none")

    def metrics(self) -> Mapping[str, Metric]:
        return {"agreement": Agreement()}

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        def two_views(batch: Batch, rng: torch.Generator) -> Batch:
            first, second = (batch if standard is None else standard(batch, rng) for _ in range(2))
            return replace(first, inputs={"image": first.images, "other view": second.images})

        return two_views

    def describe_targets(self, targets: Any) -> list[str]:
        return ["" for _ in range(len(targets))]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())


TASK = Views
