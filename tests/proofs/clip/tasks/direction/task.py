"""The direction of motion: metrics, baselines and what the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sightline.tasks.direction import CARD
from sightline.tasks.direction.options import Options

from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, PredictionGallery
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Baseline, Task
from sightline.data.io.pixels import Arrays
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.log_loss import LogLoss
from sightline.runtime.targets import records

NAMES = ("left", "right")


def moving_square(n: int, side: int, seed: int, frames: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """n clips of a square that moves, and which way: half to the left, half to the right. A clip played
    backwards is one of the other class, so that single frames say nothing."""
    rng = np.random.default_rng(seed)
    value = np.arange(n) % 2
    clips = rng.integers(0, 40, (n, frames, side, side, 1), dtype=np.uint8)
    for clip, right in zip(clips, value, strict=True):
        top, size = int(rng.integers(0, side - 4)), side // 4
        path = np.linspace(0, side - size, frames).round().astype(int)
        for frame, left in zip(clip, path if right else path[::-1], strict=True):
            frame[top : top + size, left : left + size] = 220
    return clips, value


class Direction(Task):
    """Which way a shape moves."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Squares that move left or right."""
        clips, value = moving_square(n, size, seed)
        ids = [f"toy/{i:03d}" for i in range(n)]
        return Dataset(
            "toy", "toy", ids, Arrays(clips, "clip"), ClassLabels(torch.from_numpy(value)), Classes(NAMES)
        )

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy first."""
        chosen: list[Metric] = [Accuracy(), LogLoss()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """The commonest class, and brightness by place in the mean of the frames."""
        return [
            Baseline("majority", "the commonest class", _majority, uses_images=False),
            Baseline("mean frame", "nearest mean of the frames", _means, side=16, answer=_nearest),
        ]

    def describe_targets(self, targets: Any) -> list[str]:
        """Names of the classes."""
        return [NAMES[int(v)] for v in targets.value]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        """Label, confidence, and the probability of each class."""
        return records(prediction, NAMES)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Some clips with their prediction."""
        return [PredictionGallery("Predictions", ids[:4], self.describe_targets(prediction)[:4])]

    @staticmethod
    def stratify_labels(targets: Any) -> np.ndarray | None:
        """The class."""
        return np.asarray(targets.value.numpy())


def _majority(images: Any, target: ClassLabels) -> Any:
    del images
    scores = torch.bincount(target.value, minlength=len(NAMES)).double() / len(target)
    return lambda clips: ClassLabels(scores.argmax().expand(len(clips)), scores.expand(len(clips), -1))


def _means(images: np.ndarray, target: ClassLabels) -> dict[str, np.ndarray]:
    return {"means": np.stack([images[target.value.numpy() == k].mean((0, 1)) for k in range(len(NAMES))])}


def _nearest(state: Mapping[str, Any], clips: np.ndarray) -> ClassLabels:
    far = ((clips.mean(1)[:, None] - np.asarray(state["means"])) ** 2).mean((2, 3, 4))
    scores = torch.softmax(torch.from_numpy(-far), 1)
    return ClassLabels(scores.argmax(1), scores)


TASK = Direction
