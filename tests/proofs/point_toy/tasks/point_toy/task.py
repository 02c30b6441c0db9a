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
from sightline.core.metric import Metric, Stats
from sightline.core.report import Exhibit, Gallery
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
        truths=("point",),
    )

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        return {"distance": (prediction.xy - truth.xy).double().norm(dim=1).numpy()}

    def value(self, stats: Stats, weights: np.ndarray | None = None) -> float:
        return float(np.average(stats["distance"], weights=weights)) if len(stats["distance"]) else np.nan


class PointToy(Task):
    """Where the spot is."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def toy(n: int, size: int, seed: int) -> Dataset:
        return tiny("point", n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        return {"distance": Distance()}

    def baselines(self) -> list[Baseline]:
        def mean(images: Any, truth: Any) -> Any:
            return lambda new: Point(
                truth.sizes[:1].repeat(len(new), 1),
                truth.xy.mean(0, keepdim=True).repeat(len(new), 1),
                torch.ones(len(new)),
            )

        return [Baseline("mean", "the mean point", mean, looks=False)]

    def captions(self, targets: Any) -> list[str]:
        return [f"{row['x']:.0f}, {row['y']:.0f}" for row in self.rows(targets)]

    def rows(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())

    def exhibits(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Exhibit]:
        captions = self.captions(prediction[:4])
        return [Gallery("Some images", ids[:4], captions, "", truth[:4], prediction[:4])]


TASK = PointToy
