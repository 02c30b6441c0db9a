"""Balls: metrics, baselines and what the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sightline.core.targets.volumes import Volumes
from sightline.tasks.balls import CARD
from sightline.tasks.balls.options import Options

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, PredictionGallery
from sightline.core.task import Baseline, Task
from sightline.metrics.miou import MeanIoU
from sightline.runtime.targets import records


class Balls(Task):
    """Where balls are in a volume."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Volumes with a ball."""
        from sightline.data.formats.balls import balls

        return balls(n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """mIoU."""
        return {"mIoU": MeanIoU()}

    def baselines(self) -> list[Baseline]:
        """Nothing but background, and what is bright."""
        return [
            Baseline("background", "no balls", _background, uses_images=False),
            Baseline("bright", "voxels above the middle of the range", _bright, side=16),
        ]

    def describe_targets(self, targets: Any) -> list[str]:
        """Voxels of balls."""
        return [f"{int((m == 1).sum())} voxels" for m in targets.maps]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        """Voxels of each class."""
        return records(prediction, self.info.classes.names if self.info.classes else ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Some volumes."""
        return [PredictionGallery("Predictions", ids[:4], self.describe_targets(prediction)[:4])]


def _background(images: Any, target: Volumes) -> Any:
    del images
    shape = tuple(target.maps[0].shape)  # that of all, as the network sees them
    return lambda volumes: Volumes.of(np.zeros(shape, np.uint8) for _ in volumes)


def _bright(images: Any, target: Volumes) -> Any:
    del images, target
    return lambda volumes: Volumes.of((v[..., 0] > 100).astype(np.uint8) for v in volumes)


TASK = Balls
