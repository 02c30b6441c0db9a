"""The task: the images of the data are the targets, and the model is given them at half their size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from sightline.tasks.upscale import CARD
from torch.nn import functional as F

from sightline.core.card import MetricCard
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric, Statistics
from sightline.core.targets import target_type
from sightline.core.task import Task
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.runtime.targets import records


class Psnr(Metric):
    """Peak signal-to-noise ratio, 10 log10(255^2 / mean squared error), the mean over images, in decibels."""

    card = MetricCard("PSNR", "peak signal-to-noise ratio in decibels", True, float("inf"), ("image",))

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        pairs = zip(prediction.pixels, target.pixels, strict=True)
        error = np.array([float((a.double() - b.double()).square().mean()) for a, b in pairs])
        return {"PSNR": 10 * np.log10(255**2 / np.maximum(error, 1e-12))}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        return float(np.average(stats["PSNR"], weights=weights)) if len(stats["PSNR"]) else float("nan")


@dataclass(frozen=True)
class Options:
    """No settings."""


class Upscale(Task):
    """Images twice as large."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        return Upscale.recast(open_data(f"shapes:{n}", target_type="none"), {})

    @staticmethod
    def recast(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
        images: Any = target_type("image")
        whole = [torch.from_numpy(dataset.pixels.read(i)).permute(2, 0, 1) for i in range(len(dataset))]
        half = F.interpolate(torch.stack(whole), scale_factor=0.5, mode="bilinear", antialias=True)
        pixels = Arrays(half.permute(0, 2, 3, 1).numpy())
        return replace(dataset, pixels=pixels, targets=images.of(whole, times=2))

    def metrics(self) -> Mapping[str, Metric]:
        return {"PSNR": Psnr()}

    def describe_targets(self, targets: Any) -> list[str]:
        return [f"{row['width']} x {row['height']}" for row in self.to_records(targets)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())


TASK = Upscale
