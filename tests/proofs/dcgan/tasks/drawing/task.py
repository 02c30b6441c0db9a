"""The task: the input is noise, and the images of the data are the targets, without an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import linalg
from sightline.tasks.drawing import CARD

from sightline.core.card import MetricCard
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric, Statistics
from sightline.core.report import Figure, ImageGrid
from sightline.core.targets import target_type
from sightline.core.task import Task
from sightline.data.open import open_data
from sightline.runtime.targets import records


class Frechet(Metric):
    """The distance of two sets of images, by mean and covariance of their pixels.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017, equation 6.
    """

    card = MetricCard("Frechet distance", "of pixels", False, 0.0, ("image",), paired=False)

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        pixels = (x.dense().flatten(1).double() / 255 for x in (prediction, target))
        return dict(zip(("predictions", "targets"), (x.numpy() for x in pixels), strict=True))

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        (mean_a, mean_b), (cov_a, cov_b) = zip(
            *((x.mean(0), np.cov(x.T)) for x in (stats["predictions"], stats["targets"])), strict=True
        )
        root = np.sqrt(np.abs(linalg.eigvals(cov_a @ cov_b))).sum()
        return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root)


@dataclass(frozen=True)
class Options:
    """No settings."""


class Drawing(Task):
    """Images like those of the data."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return Drawing.recast(open_data("digits", target_type="none", input="noise").subset(range(n)), {})

    @staticmethod
    def recast(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
        images: Any = target_type("image")
        draws: Any = dataset.pixels
        read = (torch.from_numpy(draws.source.read(i)).permute(2, 0, 1) for i in range(len(draws)))
        return replace(dataset, targets=images.of(read))

    def metrics(self) -> Mapping[str, Metric]:
        return {"Frechet distance": Frechet()}

    def describe_targets(self, targets: Any) -> list[str]:
        return [f"brightness {row['brightness']}" for row in self.to_records(targets)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        drawn = [image.permute(1, 2, 0).numpy().repeat(3, 2) for image in prediction.pixels[:16]]
        return [ImageGrid("Drawn", drawn, [""] * len(drawn))]


TASK = Drawing
