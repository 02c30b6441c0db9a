"""What is asked, by what it is measured, and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sightline.tasks.point_toy import CARD
from sightline.tasks.point_toy.options import Options

from sightline.core.card import MetricCard
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric, Statistics
from sightline.core.report import Figure, PredictionGallery
from sightline.core.targets import target_type
from sightline.core.task import Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.runtime.targets import records

Point: Any = target_type("point")


class Distance(Metric):
    """Mean distance in pixels."""

    card = MetricCard(
        name="distance",
        summary="mean distance in pixels",
        higher_is_better=False,
        best=0.0,
        target_types=("point",),
    )

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        return {"distance": (prediction.xy - target.xy).double().norm(dim=1).numpy()}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        return float(np.average(stats["distance"], weights=weights)) if len(stats["distance"]) else np.nan


class PointToy(Task):
    """Where the spot is."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return tiny("point", n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        return {"distance": Distance()}

    def baselines(self) -> list[Baseline]:
        def mean(images: Any, target: Any) -> Any:
            return lambda new: Point(
                target.sizes[:1].repeat(len(new), 1),
                target.xy.mean(0, keepdim=True).repeat(len(new), 1),
                torch.ones(len(new)),
            )

        return [Baseline("mean", "the mean point", mean, uses_images=False)]

    def describe_targets(self, targets: Any) -> list[str]:
        return [f"{row['x']:.0f}, {row['y']:.0f}" for row in self.to_records(targets)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        captions = self.describe_targets(prediction[:4])
        return [PredictionGallery("Some images", ids[:4], captions, "", target[:4], prediction[:4])]


TASK = PointToy
