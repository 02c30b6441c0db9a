"""Task: the base class of tasks, which says metrics, baselines and report items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.card import TaskCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, Finding
from sightline.core.sample import IMAGE, Batch
from sightline.core.targets.base import Targets

Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass(frozen=True)
class DataInfo:
    """Facts about the data that a task and a model need before they are built. JSON-able.

    Attributes:
        classes: Class table, or None.
        outputs: Names of the numbers, for regression.
        channels: 3 or 1, or the bands that there are.
        size: Input (height, width) in pixels; of a volume (depth, height, width).
        mean: Mean of each channel over the training images, in [0, 1].
        std: Standard deviation of each channel, likewise.
        num_images: Training images.
        multilabel: Whether an image may have several labels.
        class_counts: Training images, or objects in them, of each class (empty without classes).
        output_stats: Per output (mean, std) of the training targets, for regression.
        statistics: What else a kind of target says of them (`Targets.summary`), by name; and what
            `Task.recast` did (`Dataset.recast`).
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
    num_images: int
    multilabel: bool = False
    class_counts: tuple[int, ...] = ()
    output_stats: tuple[tuple[float, float], ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    input: str = IMAGE
    frames: int | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Baseline:
    """A simple method that is compared with the network.

    Attributes:
        name: As the table prints it.
        summary: What it does, in a line.
        learn: `(images, target) -> state`, with images (N, H, W, C) uint8, and tensors by name.
            `images` is None for one that does not look.
        uses_images: Whether it looks at the images at all.
        frozen: Whether `images` are features (N, D) of the installed network rather than pixels; such a
            baseline is left out where the images are no photographs or the weights are not installed.
        maps: Whether a frozen one gets, in place of features, the maps of that network: of each image a list
            of (D, h, w), finest first, which are made as they are asked for.
        side: Largest side in pixels of the images it looks at; what lies in the image is given,
            and wanted, in their pixels.
        answer: `(state, images) -> prediction`. None: what `learn` gives is `predict(images)` itself, which
            cannot be kept in a file, so that the baseline cannot be a model.
        graph: `answer` as arithmetic on tensors, for exported files: from the state and (B, C, H, W) images,
            or (B, D) features of a frozen one, to what `Model.postprocess` gives. None where it is none.
    """

    name: str
    summary: str
    learn: Callable[[Any, Any], Any]
    uses_images: bool = True
    frozen: bool = False
    maps: bool = False
    side: int = 64
    answer: Callable[[Any, Any], Any] | None = None
    graph: Callable[[Any, Any], dict[str, Any]] | None = None

    def fit(self, images: Any, target: Targets) -> Callable[[Any], Any]:
        """A function from images to predictions."""
        learned = self.learn(images, target)
        return learned if self.answer is None else partial(self.answer, learned)  # type: ignore[no-any-return]


class Task(ABC):
    """Base class of tasks, one for each folder in `tasks/`; independent of commands.

    Args:
        info: What is known of the data.
        options: The task's own settings, an instance of `Options`.

    Attributes:
        card: That of its folder; a task may change it to suit its data, such as the primary metric.
    """

    card: TaskCard
    Options: ClassVar[type]
    findings: ClassVar[tuple[str, ...]] = ()
    """Names of the findings that `label_issues` may give: what --accept takes."""

    def __init__(self, info: DataInfo, options: Any) -> None:
        self.info, self.options = info, options

    @property
    def multiscale(self) -> float:
        """Largest change of the input size from batch to batch in training, as a share of it; 0 for none."""
        return 0.0

    @staticmethod
    @abstractmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """A tiny synthetic data set that a working model can overfit."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Fresh metrics by name, the main one first."""

    def baselines(self) -> list[Baseline]:
        """Baselines, if any; the first one does not use pixels."""
        return []

    @staticmethod
    def recast(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
        """The data in the sense of the task: with targets that it makes itself, labels in another sense, or
        other items for the model. Called once, after the data are read and checked and before they are split.

        Args:
            dataset: What was read.
            settings: In training the options that were given, by name; else the settings of the model that
                is scored on the data. Always with `reads` of the model's card.
        """
        del settings
        return dataset

    def caveats(self) -> list[str]:
        """Sentences without which the scores would be read wrongly; they stand among the conclusions."""
        return []

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Augmentation of training batches, or None.

        Args:
            strength: none, light, standard or strong.
            standard: The standard image augmentation of that strength.
            progress: How much of training is done as the epoch begins, in [0, 1].
        """
        del strength, progress
        return standard

    def calibrate(self, prediction: Targets, target: Targets) -> dict[str, Any]:
        """Fit settings for `Model.to_predictions` on validation predictions; empty if there are none. The
        entry "calibration" may be a sentence that describes the fit; it is printed.
        """
        del prediction, target
        return {}

    def figures(
        self, prediction: Targets, target: Targets, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Report items for the predictions on one split; `settings` are those of the model."""
        del prediction, target, ids, settings
        return []

    def label_issues(
        self, prediction: Targets, target: Targets, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues: targets that a trained model contradicts. They are hints and never stop training.

        Args:
            prediction: What the model says of some items.
            target: Their targets.
            ids: Their names.
            settings: Those of the model; and `trained`, the names of the items it was trained on.
        """
        del prediction, target, ids, settings
        return []

    @abstractmethod
    def describe_targets(self, targets: Targets) -> list[str]:
        """Short description of each target."""

    @abstractmethod
    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """One flat row for each image, for CSV and tables."""

    @staticmethod
    def stratify_labels(targets: Targets) -> np.ndarray | None:
        """(N,) int labels for a stratified split, or None; the kind of target decides."""
        return targets.stratify_labels()
