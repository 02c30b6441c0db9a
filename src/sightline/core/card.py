"""Cards: what can be known of a plug-in without building it. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TaskCard:
    """What a task asks for.

    Attributes:
        name: The task's name, which is its folder's name.
        summary: One line for lists.
        input: Kind of input that data are read as, a file of `data/inputs/`: "image", "clip", "volume".
        truth: Name of the target type of the annotations ("label").
        prediction: Name of the target type of the predictions.
        score: Name of the metric that choosing and stopping go by.
        default_model: Method in the task's `models/` used when none is named.
        recognised: Whether data with this truth are taken for this task when none is named.
        side: Longest side in pixels that larger pictures are brought to, where models need sides that are
            multiples of a stride and no size is asked for.
        defaults: Recipe values that suit the task where the model's card has none.
        tuned_options: Its own options where published weights are fine-tuned, unless they are given.
    """

    name: str
    summary: str
    input: str
    truth: str
    prediction: str
    score: str
    default_model: str
    recognised: bool = True
    side: int = 320
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """Where a model comes from and how it likes to be trained.

    Attributes:
        name: The name a user writes.
        summary: One line for lists.
        paper: Author, title, venue, year.
        parameters: Trainable parameters in the configuration that `counted` describes.
        counted: That configuration ("10 classes, 1x28x28").
        size: Input size (height, width) it was made for, or None for any.
        stride: What the input's sides must be multiples of.
        defaults: Recipe values it likes best.
        tuned_backbone: Backbone with installed weights that it starts from where they are wanted, or "".
        tuned_defaults: Recipe values it likes best then, on top of `defaults`.
        tuned_gain: Whether it comes further so in the same time, so that it does unless asked otherwise.
    """

    name: str
    summary: str
    paper: str
    parameters: int | None = None
    counted: str = ""
    size: tuple[int, int] | None = None
    stride: int = 1
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_backbone: str = ""
    tuned_defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_gain: bool = True


@dataclass(frozen=True)
class FormatCard:
    """What a data format looks like on disk.

    Attributes:
        name: The name a user writes after --format.
        summary: One line for lists.
        looks_like: The files that it is recognised by, in words.
        truths: Target types it can hold.
        writes: Whether it can be written too.
    """

    name: str
    summary: str
    looks_like: str
    truths: tuple[str, ...]
    writes: bool = False


@dataclass(frozen=True)
class MetricCard:
    """What a metric says.

    Attributes:
        name: The name in results and tables.
        summary: Its definition in one line, with the source where there is one.
        higher_is_better: Direction.
        best: The value that a perfect prediction gets.
        truths: Target types it applies to.
        binomial: Whether it is a share of images that are right, so that the exact interval applies.
        percent: Whether tables print it in per cent.
    """

    name: str
    summary: str
    higher_is_better: bool
    best: float
    truths: tuple[str, ...]
    binomial: bool = False
    percent: bool = False


@dataclass(frozen=True)
class CheckCard:
    """What a data check looks for.

    Attributes:
        name: File name of the check.
        summary: One line for lists.
        findings: Names of the findings it may report (what --accept takes).
    """

    name: str
    summary: str
    findings: tuple[str, ...]
