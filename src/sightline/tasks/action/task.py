"""Action recognition: metrics, baselines, calibration and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, Finding
from sightline.core.targets.base import Targets
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Augment, Baseline, Task
from sightline.data.io.pixels import Arrays
from sightline.data.transforms.steps import compose
from sightline.data.transforms.time_crop import time_crop
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.auroc import Auroc
from sightline.metrics.average_precision import AveragePrecision
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.calibration import supported
from sightline.metrics.ece import Ece
from sightline.metrics.f1 import F1
from sightline.metrics.functional.confident_learning import FINDINGS, label_issues
from sightline.metrics.log_loss import LogLoss
from sightline.report import label_figures
from sightline.runtime.targets import records
from sightline.tasks.action import CARD
from sightline.tasks.action.baselines import baselines
from sightline.tasks.action.options import ActionOptions

SHORTEST = 0.75
"""Shortest part of a clip that is seen in training, as a share."""
TOY_FRAMES = 4


class Action(Task):
    """Action recognition."""

    card = CARD
    Options: ClassVar[type] = ActionOptions
    findings = FINDINGS

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Gray squares that grow or shrink: a clip played backwards is one of the other class."""
        rng = np.random.default_rng(seed)
        value = np.arange(n) % 2
        clips = rng.integers(0, 40, (n, TOY_FRAMES, size, size, 1), dtype=np.uint8)
        for clip, shrinks in zip(clips, value, strict=True):
            sides = np.linspace(size // 4, size // 2, TOY_FRAMES).round().astype(int)
            top, left = rng.integers(0, size // 2, 2)
            for frame, side in zip(clip, sides[::-1] if shrinks else sides, strict=True):
                frame[top : top + side, left : left + side] = 220
        ids = [f"toy/{i:03d}" for i in range(n)]
        labels = ClassLabels(torch.from_numpy(value))
        return Dataset("toy", "toy", ids, Arrays(clips, CARD.input), labels, Classes(("grow", "shrink")))

    def metrics(self) -> Mapping[str, Metric]:
        """Balanced accuracy first: classes of clips are seldom equally frequent."""
        chosen: list[Metric] = [BalancedAccuracy(), Accuracy(), F1("macro")]
        chosen += [LogLoss(), Auroc(), AveragePrecision(), Ece()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """The commonest class, and linear models on one frame, on motion and on brightness over time."""
        return baselines(len(self._names))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Standard augmentation of the frames, and a random part of the time of each clip."""
        del progress
        return compose(standard, None if strength == "none" else time_crop(SHORTEST))

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """Temperature scaling on validation (Guo et al., ICML 2017)."""
        fitted, why = supported(prediction.scores.double().numpy(), target.value.numpy())
        return {"temperature": fitted, "calibration": why}

    def describe_targets(self, targets: Any) -> list[str]:
        """Names of the classes."""
        return [self._names[int(value)] for value in targets.value]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """label, confidence, and the probability of every class."""
        return records(prediction, self._names)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Confusion matrix, per-class table, reliability, and the most confident mistakes as strips."""
        return label_figures.figures(self._names, prediction, target, ids, "clips")

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues by confident learning."""
        return label_issues(prediction, target, ids, self._names, settings.get("trained", ()))

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()


TASK = Action
