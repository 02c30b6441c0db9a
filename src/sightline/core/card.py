"""Cards: metadata of plug-ins, available without building them. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class TaskCard:
    """Metadata of a task.

    Attributes:
        name: The task's name, which is its folder's name.
        summary: One line for lists.
        input: Kind of input that data are read as, a file of `data/inputs/`: "image", "clip", "volume".
        target_type: Name of the target type of the annotations ("label"); "none" where none are needed: data
            that have some are taken without them.
        prediction_type: Name of the target type of the predictions.
        primary_metric: Name of the metric that choosing and stopping go by.
        default_model: Method in the task's `models/` used when none is named.
        auto_detect: Whether data with this target are taken for this task when none is named.
        default_max_size: Longest side in pixels that larger images are brought to, where models need sides
            that are multiples of a stride and no size is asked for.
        defaults: Recipe values that suit the task where the model's card has none.
        tuned_options: Its own options where published weights are fine-tuned, unless they are given.
        open_set: Whether classes are identities: those of validation and test, and of new data, are others
            than those of training.
    """

    name: str
    summary: str
    input: str
    target_type: str
    prediction_type: str
    primary_metric: str
    default_model: str
    auto_detect: bool = True
    default_max_size: int = 320
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_options: Mapping[str, Any] = field(default_factory=dict)
    open_set: bool = False


@dataclass(frozen=True)
class ModelCard:
    """Metadata of a method or network: source, paper, and recommended training settings.

    Attributes:
        name: The name a user writes.
        summary: One line for lists.
        paper: Author, title, venue, year.
        parameters: Trainable parameters in the configuration that `counted` describes.
        counted: That configuration ("10 classes, 1x28x28").
        size: Input size (height, width) it was made for, or None for any.
        stride: What the input's sides must be multiples of.
        any_sides: Whether a trained network takes images with other sides than it was built for, as
            `--resize rect` needs: sides that are multiples of `ops.resize_shape.RECT_MULTIPLE`.
        defaults: Recipe values it likes best.
        tuned_backbone: Backbone with installed weights that it starts from where they are wanted, or "".
        tuned_defaults: Recipe values it likes best then, on top of `defaults`.
        tuned_gain: Whether it comes further so in the same time, so that it does unless asked otherwise.
        trainer: How it is trained: the name of a file in `training/trainers/`.
        ignores: Options of its task that have no effect on it; other values than their defaults are refused.
        reads: What it is given of an image with several objects: the whole image, or each object by itself.
            `Task.recast` makes the items so.
    """

    name: str
    summary: str
    paper: str
    parameters: int | None = None
    counted: str = ""
    size: tuple[int, int] | None = None
    stride: int = 1
    any_sides: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_backbone: str = ""
    tuned_defaults: Mapping[str, Any] = field(default_factory=dict)
    tuned_gain: bool = True
    trainer: str = "gradient"
    ignores: tuple[str, ...] = ()
    reads: Literal["images", "objects"] = "images"


@dataclass(frozen=True)
class FormatCard:
    """Metadata of a data format.

    Attributes:
        name: The name a user writes after --format.
        summary: One line for lists.
        recognized_by: The files that it is recognised by, in words.
        target_types: Target types it can hold.
        writes: Whether it can be written too.
    """

    name: str
    summary: str
    recognized_by: str
    target_types: tuple[str, ...]
    writes: bool = False


@dataclass(frozen=True)
class MetricCard:
    """Metadata of a metric.

    Attributes:
        name: The name in results and tables.
        summary: Its definition in one line, with the source where there is one.
        higher_is_better: Direction.
        best: The value that a perfect prediction gets.
        target_types: Target types it applies to.
        is_proportion: Whether it is a share of images that are right, so that the exact interval applies.
        percent: Whether tables print it in per cent.
        unit: What is independent: image, sequence, case, pair or identity. For all but image, intervals leave
            out whole units: those that the statistics name, else the groups of the data.
        paired: Whether each prediction is compared with the target of its own image. Else all predictions are
            compared with all targets, of which there may be another number.
        least_units: Independent units below which no interval is given.
    """

    name: str
    summary: str
    higher_is_better: bool
    best: float
    target_types: tuple[str, ...]
    is_proportion: bool = False
    percent: bool = False
    unit: Literal["image", "sequence", "case", "pair", "identity"] = "image"
    paired: bool = True
    least_units: int = 1


@dataclass(frozen=True)
class CheckCard:
    """Metadata of a data check.

    Attributes:
        name: File name of the check.
        summary: One line for lists.
        findings: Names of the findings it may report (what --accept takes).
        of_pixels: Whether it judges pixels, so that it is left out for kinds of input that have none.
        open_set: Whether it is for classes that are identities only; see `TaskCard.open_set`.
        closed_set: Its findings that do not hold where classes are identities.
    """

    name: str
    summary: str
    findings: tuple[str, ...]
    of_pixels: bool = False
    open_set: bool = False
    closed_set: tuple[str, ...] = ()
