"""Training plan: data, task, split, model and recipe are decided once, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch

from sightline.config import build
from sightline.core.card import ModelCard, TaskCard
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.report import Finding
from sightline.core.targets.base import Targets
from sightline.core.task import Baseline, DataInfo, Task
from sightline.data.inputs import input_kind
from sightline.data.io.levels import Span
from sightline.data.scan import Scan
from sightline.errors import UnknownName, UsageError
from sightline.models import registry
from sightline.tasks import TASKS, task_type
from sightline.training.arguments import TrainArguments
from sightline.training.choose_input import (
    adapted_bands,
    choose_input,
    input_in_words,
    may_mirror,
    shown_in_words,
    sided_classes,
    with_range,
)
from sightline.training.effective import effective, refuse_idle, refuse_ignored, refuse_unsuited
from sightline.training.initial_weights import (
    GRAY,
    SMALL_SIDE,
    Start,
    choose_backbone,
    choose_model,
    choose_start,
    elongation,
    tuned_defaults,
    untrained,
    with_variant,
)
from sightline.training.optimizers import check_name
from sightline.training.prepare_data import PreparedData, look_at
from sightline.training.recipe import DEFAULTS, Recipe, seconds, size_in_bytes
from sightline.training.splits import divide, require_enough, require_pairs
from sightline.training.trainer import TrainerCard
from sightline.training.trainers import TRAINERS


@dataclass(frozen=True)
class Plan:
    """All decisions of a training.

    Attributes:
        arguments: What the user asked for.
        dataset: The usable items, with their split.
        scan: What was measured of them.
        findings: What the check found, on all items.
        task: The task.
        method: Module of the method in the task's `models/`.
        settings: What the model is built from.
        recipe: Resolved recipe.
        start: What training starts from.
        given: The parts that the data name themselves.
        decisions: Decision to the reason for it, in words.
        messages: Further things the user should know.
    """

    arguments: TrainArguments
    dataset: Dataset
    scan: Scan
    findings: list[Finding]
    task: Task
    method: ModuleType
    settings: dict[str, Any]
    recipe: Recipe
    start: Start
    given: frozenset[str]
    decisions: dict[str, str]
    messages: tuple[str, ...]

    @property
    def trainer(self) -> TrainerCard:
        """How the model is trained."""
        return trainer_of(self.method)

    def part(self, name: str) -> Dataset:
        """The items of one split."""
        return self.dataset.subset(self.dataset.indices_of(name))

    def lines(self) -> list[str]:
        """The plan as text: every decision with its reason, every setting."""
        recipe = ", ".join(f"{k} {v}" for k, v in asdict(self.recipe).items() if v is not None)
        return [
            *(f"{k:<9} {v}" for k, v in self.decisions.items()),
            f"{'recipe':<9} {recipe}",
            *self.messages,
        ]


def make_plan(
    arguments: TrainArguments, prepared: PreparedData | None = None, *, splits: np.ndarray | None = None
) -> Plan:
    """Make all decisions.

    Args:
        arguments: What the user asked for.
        prepared: The data, if they were looked at already.
        splits: (N,) split of each usable item, where it is already known (cross-validation).

    Raises:
        UsageError: If something asked for cannot be.
        DataError: If the data cannot be used, or have faults that were not accepted.
    """
    prepared = prepared or look_at(arguments)
    arguments = with_variant(arguments, TASKS.load(prepared.card.name), task_type(prepared.card.name).Options)
    card, scan, findings = prepared.card, prepared.scan, prepared.findings
    why = dict(prepared.decisions)
    dataset, given, split_notes = _divided(arguments, prepared, splits)
    shares = [f"{len(dataset.indices_of(s))} {s}" for s in ("train", "val", "test")]
    why["split"] = f"{', '.join(shares)} (seed {arguments.seed})"
    require_enough(dataset, card)
    if card.open_set and splits is None:
        require_pairs(dataset)
    choice = _choose(arguments, card, dataset, scan, why)
    method, recipe, start = choice.method, choice.recipe, choice.start
    dataset, scan, range_notes = with_range(dataset, scan)
    spec = choose_input(dataset, scan, recipe, choice.card, choice.task_options, choice.network, start)
    info = _info(dataset, scan, spec)
    notes = [*prepared.messages, *split_notes, *choice.messages, *range_notes, *shown_in_words(spec)]
    task = task_type(card.name)(info, choice.task_options)
    settings = _settings(card, choice, info, spec, getattr(dataset.pixels, "span", None))
    why |= _reasons(card, choice, settings, scan)
    if dataset.targets.mirror_reason:
        why["mirror"] = dataset.targets.mirror_reason
    return Plan(
        arguments, dataset, scan, findings, task, method, settings, recipe, start, given, why, tuple(notes)
    )


@dataclass(frozen=True)
class _Choice:
    """The model and how it is trained, before it is known what the model is given.

    Attributes:
        method: Module of the method.
        card: Of the network, where the method takes one by name, else of the method.
        backbone: Name of that network.
        recipe: Resolved recipe.
        start: What training starts from.
        task_options: The task's own settings.
        backbone_options: Settings of the network.
        messages: What the user should know.
    """

    method: ModuleType
    card: ModelCard
    backbone: str | None
    recipe: Recipe
    start: Start
    task_options: Any
    backbone_options: dict[str, Any]
    messages: list[str]

    @property
    def network(self) -> str | None:
        """Name of the network, also where it is a setting of the task."""
        return self.backbone or getattr(self.task_options, "backbone", None)


def _divided(
    arguments: TrainArguments, prepared: PreparedData, splits: np.ndarray | None
) -> tuple[Dataset, frozenset[str], list[str]]:
    """The data with their split, the parts that they name themselves, and notes."""
    dataset = prepared.dataset
    if splits is not None:
        return dataset.with_splits(splits), frozenset(), []
    given = frozenset(s for s in dataset.splits.tolist() if s and arguments.splits is None)
    splits, notes = divide(prepared, arguments.splits, arguments.seed)
    return dataset.with_splits(splits), given, notes


def _choose(
    arguments: TrainArguments, card: TaskCard, dataset: Dataset, scan: Scan, why: dict[str, str]
) -> _Choice:
    """Model, options and recipe; reasons go to `decisions`.

    Raises:
        UsageError: If something asked for cannot be.
    """
    start = choose_start(arguments, dataset, scan)
    method, backbone, model_card, start = choose_model(
        arguments, TASKS.load(card.name), start, why, lambda: _baselines(card, dataset)
    )
    recipe_given, task_options, rest = _sorted_options(arguments, card, backbone, start)
    trainer = trainer_of(method)
    refuse_idle(trainer, method.CARD.name, arguments, recipe_given)
    refuse_ignored(method.CARD, arguments, task_options)
    refuse_unsuited(input_kind(card.input), task_type(card.name), recipe_given)
    task_options, start = choose_backbone(arguments, card.name, model_card, task_options, start)
    recipe = effective(trainer, _resolved(recipe_given, model_card, card, dataset, scan, arguments, start))
    notes = untrained(recipe, start, arguments)
    if recipe_given.hflip in (None, "auto") and recipe.hflip == "no" and (sides := sided_classes(dataset)):
        notes.append(
            f"Nothing is mirrored in training: {' and '.join(map(repr, sides[:2]))} would become one another "
            "(--hflip yes mirrors)."
        )
    return _Choice(method, model_card, backbone, recipe, start, task_options, rest, notes)


def _settings(
    card: TaskCard, choice: _Choice, info: DataInfo, spec: InputSpec, span: Span | None
) -> dict[str, Any]:
    """What the model is built from."""
    return {
        "task": card.name,
        "method": choice.method.CARD.name,
        "backbone": choice.backbone,
        "backbone_options": choice.backbone_options,
        "channels": info.channels,
        "size": list(info.size),
        "resize": choice.recipe.resize,
        "pixel_range": None if span is None else list(span),
        "tile_size": choice.recipe.tile_size or 0,
        "mean": list(info.mean),
        "std": list(info.std),
        **spec.settings(),
        **choice.method.MODEL.settings_for(info, choice.task_options),
    }


def _reasons(card: TaskCard, choice: _Choice, settings: dict[str, Any], scan: Scan) -> dict[str, str]:
    """Reasons for the input, the options and the start, by name."""
    recipe, start, spec, span = choice.recipe, choice.start, InputSpec.of(settings), settings["pixel_range"]
    why = {"input": input_in_words(spec, recipe.resize or "stretch")}
    if span is not None and spec.dtype == "uint8":
        why["input"] += f", values {span[0]:g} to {span[1]:g} scaled to 8 bits"
    if recipe.resize == "crop":
        why["input"] += f", which leaves out {1 - 1 / elongation(scan):.0%} of the median image"
    if settings.get("variant"):
        why["variant"] = settings["variant"]
    if start.tuned and card.tuned_options:
        options = choice.task_options
        why["options"] = ", ".join(f"{name} {getattr(options, name)}" for name in card.tuned_options)
    why["start"] = start.reason
    if start.tuned:
        why["start"] += GRAY if spec.channels == 1 else adapted_bands(spec)
    return why


def _baselines(card: TaskCard, dataset: Dataset) -> list[Baseline]:
    """The baselines of a task for these data, before it is known how images are brought to size."""
    kind, targets = task_type(card.name), dataset.targets
    statistics = targets.summary(len(dataset.classes or ()))
    info = DataInfo(
        dataset.classes, dataset.outputs, 3, (1, 1), (0.5,) * 3, (0.5,) * 3, len(dataset), **statistics
    )
    return kind(info, kind.Options()).baselines()


def trainer_of(method: ModuleType) -> TrainerCard:
    """Card of the trainer that a model's card names."""
    card: TrainerCard = TRAINERS.load(method.CARD.trainer).CARD
    return card


def _sorted_options(
    arguments: TrainArguments, card: TaskCard, backbone: str | None, start: Start
) -> tuple[Recipe, Any, dict[str, Any]]:
    """Route loose options to recipe, task options, and backbone options.

    Raises:
        UnknownName: If an option is none of these.
        UsageError: If a value does not fit.
    """
    task = card.name
    kind = task_type(task).Options
    task_fields = {f.name for f in fields(kind)}
    network = {f.name for f in fields(registry.options(backbone))} if backbone else set()
    recipe, task_options, rest = (
        arguments.recipe.given(),
        dict(card.tuned_options if start.tuned else {}),
        {},
    )
    for name, value in arguments.options.items():
        field = name.replace("-", "_")
        if field in Recipe.names():
            recipe[field] = value
        elif field in task_fields:
            task_options[field] = value
        elif field in network:
            rest[field] = value
        else:
            everything = {*Recipe.names(), *task_fields, *network, *TrainArguments.__dataclass_fields__}
            hint = f"See `sightline train --help` and `sightline tasks {task}`."
            raise UnknownName("option", field, everything, hint)
    return build(Recipe, recipe, "training"), build(kind, task_options, f"task '{task}'"), rest


def _resolved(
    recipe: Recipe,
    card: ModelCard,
    task_card: TaskCard,
    dataset: Dataset,
    scan: Scan,
    arguments: TrainArguments,
    start: Start,
) -> Recipe:
    """Fill every None of the recipe: from the card, the task, the data, our defaults."""
    n = len(dataset.indices_of("train"))
    largest = int(max(scan.height.max(), scan.width.max()))
    photos = largest > SMALL_SIDE
    side = 128
    if card.stride > 1:  # things in the image must stay large enough to be found
        side = recipe.tile_size or min(largest, task_card.default_max_size)
    follows: dict[str, Any] = {
        "epochs": 100_000 if recipe.time else int(np.clip(round(300_000 / n), 8, 60)),
        "batch_size": 16 if n < 500 else 32 if n < 5000 else 64 if n < 20_000 else 128,
        "lr": 0.05 if recipe.optimizer == "sgd" else 1e-3,
        "workers": 2 if photos and dataset.root is not None else 0,
        "size": side if photos and input_kind(dataset.input).limits_side else None,
    }
    tuned = tuned_defaults(start, card, n, scan, timed=recipe.time is not None)
    check_name(recipe.optimizer or DEFAULTS["optimizer"])
    if recipe.distill is not None and arguments.teacher is None:
        raise UsageError(f"--distill {recipe.distill} is learning from a teacher. Name it: --teacher RUN.")
    for duration in (recipe.time, recipe.checkpoint_every):
        seconds(duration)
    size_in_bytes(recipe.cache or "0")
    liked = {**card.defaults, **tuned}
    if recipe.optimizer not in (None, liked.get("optimizer", DEFAULTS["optimizer"])):
        liked.pop("lr", None)  # a learning rate goes with its optimiser
    filled = recipe.filled(liked, task_card.defaults, follows, DEFAULTS)
    if filled.tile_size and not dataset.targets.located:
        says = dataset.targets.description
        raise UsageError(f"--tile-size is for tasks that say where things are; the data give {says}.")
    mirrors = dataset.targets.mirrors
    if filled.hflip == "yes" and mirrors is False:
        raise UsageError(f"--hflip yes cannot be: {dataset.targets.mirror_reason}.")
    if filled.hflip == "auto":
        mirrored = may_mirror(dataset, scan) if mirrors is None else mirrors
        filled = replace(filled, hflip="yes" if mirrored else "no")
    return filled


def _info(dataset: Dataset, scan: Scan, spec: InputSpec) -> DataInfo:
    """What task and model must know of the training part."""
    train = dataset.indices_of("train")
    mean, std = scan.mean_std(train, spec.channels)
    targets: Targets = dataset.targets[torch.from_numpy(train)]
    summary = targets.summary(len(dataset.classes or ()))
    if dataset.recast:
        summary["statistics"] = {**summary.get("statistics", {}), **dataset.recast}
    return DataInfo(
        dataset.classes,
        dataset.outputs,
        spec.channels,
        spec.spatial_shape,
        mean,
        tuple(max(s, 1e-3) for s in std),
        len(train),
        input=spec.kind,
        frames=spec.frames,
        spacing=spec.spacing,
        **summary,
    )


def accepted(findings: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """Errors that were accepted for this training."""
    return [f for f in findings if f.severity == "error" and f.name in names]
