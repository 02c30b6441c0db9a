"""Task: what is asked of a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.card import TaskCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Exhibit, Finding
from sightline.core.sample import IMAGE, Batch

Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass(frozen=True)
class DataInfo:
    """What a task and a model must know of the data before they are built. JSON-able.

    Attributes:
        classes: Class table, or None.
        outputs: Names of the numbers, for regression.
        channels: 3 or 1, or the bands that there are.
        size: Input (height, width) in pixels; of a volume (depth, height, width).
        mean: Mean of each channel over the training images, in [0, 1].
        std: Standard deviation of each channel, likewise.
        images: Training images.
        multi: Whether an image may have several labels.
        counts: Training images, or objects in them, of each class (empty without classes).
        range: Per output (mean, std) of the training truths, for regression.
        input: Kind of input; see `core.inputs.InputSpec`.
        frames: Of a clip, else None.
        spacing: Millimeters between voxels, where it is known.
    """

    classes: Classes | None
    outputs: tuple[str, ...]
    channels: int
    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: int
    multi: bool = False
    counts: tuple[int, ...] = ()
    range: tuple[tuple[float, float], ...] = ()
    input: str = IMAGE
    frames: int | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Baseline:
    """A cheap way to answer, to stand beside the network.

    Attributes:
        name: As the table prints it.
        summary: What it does, in a line.
        fit: `(images, truth) -> predict`, with images (N, H, W, C) uint8 and
            `predict(images) -> prediction`. `images` is None for one that does not look.
        looks: Whether it looks at the pictures at all.
        frozen: Whether `images` are features (N, D) of the installed network rather than pixels; such a
            baseline is left out where the images are no photographs or the weights are not installed.
        maps: Whether a frozen one gets, in place of features, the maps of that network: of each image a list
            of (D, h, w), finest first, which are made as they are asked for.
        side: Largest side in pixels of the pictures it looks at; what lies in the picture is given,
            and wanted, in their pixels.
    """

    name: str
    summary: str
    fit: Callable[[Any, Any], Callable[[Any], Any]]
    looks: bool = True
    frozen: bool = False
    maps: bool = False
    side: int = 64


class Task(ABC):
    """What is asked. One per folder in `tasks/`; names no command.

    Args:
        info: What is known of the data.
        options: The task's own settings, an instance of `Options`.
    """

    card: ClassVar[TaskCard]
    Options: ClassVar[type]
    findings: ClassVar[tuple[str, ...]] = ()
    """Names of the findings that `doubts` may give: what --accept takes."""

    def __init__(self, info: DataInfo, options: Any) -> None:
        self.info, self.options = info, options

    @staticmethod
    @abstractmethod
    def toy(n: int, size: int, seed: int) -> Dataset:
        """A tiny synthetic data set that a working model can learn by heart."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Fresh metrics by name, the main one first."""

    @abstractmethod
    def baselines(self) -> list[Baseline]:
        """Cheap answers that stand beside the network; the first one does not look at pixels."""

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """What changes training batches, or None.

        Args:
            strength: none, light, standard or strong.
            standard: The standard picture augmentation of that strength.
            progress: How much of training is done as the epoch begins, in [0, 1].
        """
        del strength, progress
        return standard

    def calibrate(self, prediction: Any, truth: Any) -> dict[str, Any]:
        """Settings for `Model.decode` fitted on validation predictions; empty where none. Under "calibration"
        may be a sentence on what was fitted, which is said."""
        del prediction, truth
        return {}

    @abstractmethod
    def exhibits(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Exhibit]:
        """What the report shows of the predictions on one split; `settings` are those of the model."""

    def doubts(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Truths that a trained model speaks against; hints, of which none stops training.

        Args:
            prediction: What the model says of some items.
            truth: Their truths.
            ids: Their names.
            settings: Those of the model; and `trained`, the names of the items it was trained on.
        """
        del prediction, truth, ids, settings
        return []

    @abstractmethod
    def captions(self, targets: Any) -> list[str]:
        """What each target says, in a few words."""

    @abstractmethod
    def rows(self, prediction: Any) -> list[dict[str, Any]]:
        """One flat row an image, for CSV and tables."""

    @staticmethod
    def strata(targets: Any) -> np.ndarray | None:
        """(N,) int: what a random split keeps in proportion, or None."""
        del targets
        return None
