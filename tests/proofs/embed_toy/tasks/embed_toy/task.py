"""What is asked, by what it is measured, and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sightline.tasks.embed_toy import CARD
from sightline.tasks.embed_toy.options import Options
from sightline.tasks.embed_toy.recall import Recall

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, PredictionGallery
from sightline.core.targets import target_type
from sightline.core.task import Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.runtime.targets import records

Vector: Any = target_type("vector")


class EmbedToy(Task):
    """Which images are alike."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return tiny("label", n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        return {"recall@1": Recall()}

    def baselines(self) -> list[Baseline]:
        def chance(images: Any, target: Any) -> Any:
            return lambda new: Vector(torch.randn(len(new), 2, generator=torch.Generator().manual_seed(0)))

        def color(images: Any, target: Any) -> Any:
            return lambda new: Vector(torch.from_numpy(np.stack([i.mean((0, 1)) for i in new])).float())

        return [
            Baseline("chance", "vectors by chance", chance, uses_images=False),
            Baseline("colour", "the mean colour", color),
        ]

    def describe_targets(self, targets: Any) -> list[str]:
        names = self.info.classes.names if self.info.classes else ()
        return [str(next(iter(row.values()), "")) for row in records(targets, names)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        return [PredictionGallery("Some images", ids[:4], self.describe_targets(prediction[:4]))]


TASK = EmbedToy
