"""The task: targets are the images themselves, and all drawings are compared with all of them."""

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
from sightline.core.targets.number import RegressionValues
from sightline.core.task import Task
from sightline.data.open import open_data


class Frechet(Metric):
    """The distance of two sets of images, by mean and covariance of their pixels.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017, equation 6.
    """

    card = MetricCard("Frechet distance", "of pixels", False, 0.0, ("number",), paired=False)

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        return {"predictions": prediction.value.double().numpy(), "targets": target.value.double().numpy()}

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
        return open_data("digits").subset(range(n))

    @staticmethod
    def recast(dataset: Dataset) -> Dataset:
        pixels = np.stack([dataset.pixels.read(i).ravel() for i in range(len(dataset))])
        targets = RegressionValues(torch.from_numpy(pixels / np.float32(255)))
        return replace(dataset, targets=targets, outputs=tuple(f"p{i}" for i in range(pixels.shape[1])))

    def metrics(self) -> Mapping[str, Metric]:
        return {"Frechet distance": Frechet()}

    def describe_targets(self, targets: Any) -> list[str]:
        return ["" for _ in range(len(targets))]

    def rows(self, prediction: Any) -> list[dict[str, Any]]:
        return [{"pixels": [round(v, 3) for v in row]} for row in prediction.value.tolist()]

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        drawn = (prediction.value[:16].reshape(-1, 8, 8, 1) * 255).round().byte().numpy().repeat(3, 3)
        return [ImageGrid("Drawn", list(drawn), [""] * len(drawn))]


TASK = Drawing
