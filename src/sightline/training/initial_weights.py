"""Initial weights of a training: published weights or from scratch, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from sightline.core.card import ModelCard
from sightline.core.sample import IMAGE
from sightline.data.inputs import input_kind
from sightline.data.scan import Scan
from sightline.errors import UnknownName, UsageError
from sightline.models import registry
from sightline.models.adapters import fitted
from sightline.models.weights import embedded
from sightline.models.weights.download import Pretrained
from sightline.training.trainers import TRAINERS

if TYPE_CHECKING:
    from sightline.core.dataset import Dataset
    from sightline.core.task import Baseline
    from sightline.training.arguments import TrainArguments
    from sightline.training.recipe import Recipe

MIN_COLOR_SIDE = 24
"""Color images with a longer side below this are left alone; at 32 pixels (CIFAR-10) features help much. What
lies between was not measured."""
MIN_GRAY_SIDE = 64
"""The same for gray images: faces of 112 pixels (ORL) gain, see docs/benchmarks.md; digits of 28 (MNIST) come
to 99.6 % from scratch. What lies between was not measured."""
SMALL_SIDE = 96
"""Images up to this side are trained at their own size; where weights are tuned, they are enlarged to
`ENLARGED_SIDE`, since the features were trained on 224."""
ENLARGED_SIDE = 128
PHOTO_SIDE = 224
"""Side that photographs are brought to."""
MAX_CROPPED_RATIO = 1.6
"""Where the median image is no longer than this by its shorter side, images are cropped to a square, as those
that the weights were trained on; else padded. Stretching costs 2 points of accuracy (five folds of the
training images of hymenoptera)."""

FEW_TRAINING_IMAGES = 3_000
"""Below this, the validation loss decides which weights are kept, and training does not end early: accuracy
has a standard error of 2 points or more on 15 % of them, and the best epoch by it is the luckiest."""

STRIDE_4 = "all-but-15"
"""Freezes the five blocks of the installed networks up to stride 4: with rates that fall with depth they
would hardly change, and half of the time goes into their gradients, since their maps are the largest."""

LOST = "from scratch, which takes many more images and hours"
GRAY = "; the images are gray: the first convolution takes the sum of its kernels over the colors"


@dataclass(frozen=True)
class Start:
    """Initial weights of a training.

    Attributes:
        pretrained: What the model is built with.
        reason: Why, in words.
        tuned: Whether it is known that published weights will be there, so that they are tuned rather than
            trained: with their own recipe.
    """

    pretrained: Pretrained
    reason: str
    tuned: bool = False


def choose_start(arguments: TrainArguments, dataset: Dataset, scan: Scan) -> Start:
    """Whether published weights suit these images, before a network is chosen.

    Raises:
        UsageError: If weights of a run and published ones are asked for at once.
    """
    if arguments.weights is not None:
        if arguments.pretrained == "yes":
            raise UsageError(
                f"--weights {arguments.weights} and --pretrained yes both say where training starts. "
                "Leave one of them out."
            )
        return Start("no", f"from the weights in {arguments.weights}, as asked")
    if arguments.pretrained == "no":
        return Start("no", "from scratch, as asked")
    if arguments.pretrained == "yes":
        return Start("yes", "from published weights, as asked")
    if reason := unsuited(dataset, scan):
        return Start("no", f"from scratch: {reason}")
    return Start("auto", "from published weights where there are any")


def unsuited(dataset: Dataset, scan: Scan) -> str:
    """Reason why features of photographs do not help for these images, or ""."""
    if dataset.root is None:
        return "the images are no photographs but come with the toolkit"
    if dataset.input != IMAGE:
        return f"the installed weights are of images, and each item is a {dataset.input}"
    side = typical_side(scan)
    gray = bool((scan.channels == 1).all())
    least = MIN_GRAY_SIDE if gray else MIN_COLOR_SIDE
    if side >= least:
        return ""
    kind = "gray" if gray else "color"
    return f"features of photographs do not pay for {kind} images of about {side} pixels (from {least} on)"


def with_variant(arguments: TrainArguments, task: ModuleType, options: type) -> TrainArguments:
    """The arguments with --model METHOD:VARIANT as --model METHOD --variant VARIANT.

    Args:
        arguments: What the user asked for.
        task: Its package.
        options: Its options; what follows a colon is a variant where they have one.

    Raises:
        UsageError: If --variant names another one.
    """
    method, colon, variant = (arguments.model or "").partition(":")
    if not colon or method not in task.MODELS or "variant" not in {f.name for f in fields(options)}:
        return arguments
    if (other := arguments.options.get("variant", variant)) != variant:
        raise UsageError(f"--model {arguments.model} and --variant {other} differ. Leave one of them out.")
    return replace(arguments, model=method, options={**arguments.options, "variant": variant})


def choose_model(
    arguments: TrainArguments,
    task: ModuleType,
    start: Start,
    why: dict[str, str],
    baselines: Callable[[], list[Baseline]],
) -> tuple[ModuleType, str | None, ModelCard, Start]:
    """Choose the method of the task, its backbone, and the initial weights.

    Raises:
        UnknownName: If there is no such model; suggests the nearest.
        SightlineError: If published weights were asked for and cannot be had.
    """
    if arguments.model is not None and arguments.model.startswith(fitted.PREFIX):
        baseline = fitted.baseline_named(arguments.model, baselines())
        card = task.CARD
        fitted.require_kept(baseline, card.input, input_kind(card.input).inputs, card.prediction_type)
        method = fitted.method_of(baseline)
        why["model"] = f"{method.CARD.name.replace(':', ' ')}: {baseline.summary}, as asked"
        return method, None, method.CARD, _start_baseline(baseline)
    methods, named = task.MODELS, arguments.model in task.MODELS if arguments.model else False
    method = methods.load(arguments.model if named else task.CARD.default_model)
    reason = "our default" if arguments.model is None else "as asked"
    if not _takes_backbone(method):
        if arguments.model is not None and not named:
            hint = f"These are the models of task '{task.CARD.name}'; other networks go to --backbone."
            raise UnknownName("model", arguments.model, methods.names(), hint)
        why["model"] = f"{method.CARD.name}: {reason}"
        trainer = TRAINERS.load(method.CARD.trainer).CARD
        if trainer.takes is not None and "pretrained" not in trainer.takes:
            return method, None, method.CARD, Start("no", f"the model {trainer.verb}")
        return method, None, method.CARD, _settle_method(start, method)
    is_own = arguments.model is None or named
    name = registry.DEFAULT if is_own else str(arguments.model)
    try:
        registry.card(name)
    except UnknownName as error:
        hint = f"`sightline models` lists them; task '{task.CARD.name}' also has {methods.names()}."
        raise UnknownName("model", name, {*error.near, *registry.names(), *methods.names()}, hint) from None
    backbone, start = _settle_start(start, name, named=not is_own)
    why["model"] = f"{backbone}: {reason}"
    return method, backbone, registry.card(backbone), start


def _start_baseline(baseline: Baseline) -> Start:
    """Initial weights of a baseline: it is fitted once; on a frozen network it needs installed weights.

    Raises:
        UsageError: If these are not there.
    """
    if not baseline.frozen:
        return Start("no", "the baseline is fitted once, without epochs")
    if lack := embedded.trouble(embedded.DEFAULT, thorough=True):
        raise UsageError(f"{fitted.PREFIX}{baseline.name} looks through {embedded.DEFAULT}: {lack}")
    return Start("yes", f"features of {embedded.DEFAULT}, frozen; what follows them is fitted once", True)


def _takes_backbone(method: ModuleType) -> bool:
    """Whether any network by name may be the whole of a method, with the backbone's own recipe."""
    return bool(getattr(method, "TAKES_BACKBONE", False))


def _settle_start(start: Start, backbone: str, named: bool) -> tuple[str, Start]:
    """Decide on the initial weights once the network is known; weights are downloaded now, if at all.

    Args:
        start: What `choose_start` said.
        backbone: The network, where it was named.
        named: Whether the user named it.

    Raises:
        SightlineError: If published weights were asked for and cannot be had.
    """
    if start.pretrained == "no":
        return (backbone if named else registry.DEFAULT), start
    network = backbone if named else embedded.DEFAULT
    # What was not asked for by name is not fetched.
    if not named and start.pretrained == "auto" and (lack := embedded.trouble(network, thorough=True)):
        return registry.DEFAULT, Start("no", f"{LOST}: {lack}")
    if lack := registry.fetch(network, start.pretrained):
        return network, Start("no", f"from scratch: {lack}")
    where = embedded.described(network) or "published"
    return network, Start("yes", f"weights of {network}, {where}; --pretrained no starts from scratch", True)


def _settle_method(start: Start, method: ModuleType) -> Start:
    """Initial weights of a method that brings its own."""
    if start.pretrained == "auto":
        reason = f"from published weights of {method.CARD.name} or its backbone, where they can be had"
        return Start("auto", reason)
    return start


def choose_backbone(
    arguments: TrainArguments, task: str, card: ModelCard, options: Any, start: Start
) -> tuple[Any, Start]:
    """Task options with "auto" resolved to a backbone, and its initial weights.

    Args:
        arguments: What the user asked for.
        task: Its name.
        card: The method's.
        options: The task's options; those without a backbone come back as they are.
        start: What `choose_model` said.
    """
    name = getattr(options, "backbone", None)
    if name is None:
        return options, start
    wanted = start.pretrained != "no" and bool(card.tuned_backbone)
    if name == "auto" and wanted and start.pretrained == "auto" and not card.tuned_gain:
        reason = f"from scratch: from installed weights {card.name} comes no further in the same time"
        return replace(options, backbone="own"), Start("no", f"{reason}; --pretrained yes takes them")
    if name == "auto":
        installed = wanted and not embedded.trouble(card.tuned_backbone, thorough=True)
        name = card.tuned_backbone if installed else _backbone_of(arguments.weights, task, card.name) or "own"
    if wanted and (where := embedded.described(name)) and not embedded.trouble(name, thorough=True):
        reason = f"backbone {name} with weights that are {where}; --pretrained no starts from scratch"
        start = Start("yes", reason, True)
    elif wanted and options.backbone == "auto" and arguments.model is None and start.pretrained == "auto":
        lack = embedded.trouble(card.tuned_backbone, thorough=True)
        start = Start("no", f"{LOST}: {lack}")  # what was not asked for by name is not fetched
    return replace(options, backbone=name), start


def _backbone_of(weights: str | None, task: str, method: str) -> str | None:
    """The backbone of a run of this task and method whose weights are taken; None where none is known."""
    if weights is None:
        return None
    source = Path(weights)
    for file in (source / "model" / "model.json", source / "model.json", source.parent / "model.json"):
        if file.is_file():
            settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["model_config"]
            same = settings["task"] == task and settings["method"] == method
            return settings.get("backbone") if same else None
    return None


def untrained(recipe: Recipe, start: Start, arguments: TrainArguments) -> list[str]:
    """Message about frozen parts that were never trained, or ""."""
    if recipe.freeze in (None, "none") or start.pretrained != "no" or arguments.weights is not None:
        return []
    return [
        f"--freeze {recipe.freeze} keeps features as chance made them, since training starts from scratch: "
        "only what follows them learns. Begin with trained ones (--weights RUN, --pretrained yes), or leave "
        "it out."
    ]


def takes_gray(start: Start, backbone: str | None) -> bool:
    """Whether gray images go in with one channel: not where the weights want three of their own kind."""
    return start.pretrained == "no" or (start.tuned and not embedded.trouble(backbone or ""))


def typical_side(scan: Scan) -> int:
    """Longer side of the median image, in pixels."""
    return int(np.median(np.maximum(scan.height, scan.width)))


def tuned_side(scan: Scan) -> int:
    """Input side for features that were trained on `PHOTO_SIDE`."""
    return PHOTO_SIDE if typical_side(scan) > SMALL_SIDE else ENLARGED_SIDE


def elongation(scan: Scan) -> float:
    """Aspect ratio (longer by shorter side) of the median image."""
    ratio = np.maximum(scan.height, scan.width) / np.maximum(np.minimum(scan.height, scan.width), 1)
    return float(np.median(ratio))


def tuned_defaults(
    start: Start, card: ModelCard, images: int, scan: Scan, *, timed: bool
) -> Mapping[str, Any]:
    """Recipe where weights are tuned: the method's own, else that of networks with one head; else none."""
    if not start.tuned:
        return {}
    if card.tuned_defaults:
        return card.tuned_defaults
    defaults = tuning_defaults(images, scan, timed=timed)
    return defaults | {"freeze": STRIDE_4} if card.name in embedded.CARDS else defaults


def tuning_defaults(images: int, scan: Scan, *, timed: bool) -> dict[str, Any]:
    """Recipe of fine-tuning: the head first, then all layers at a small rate that falls with depth.

    Linear probing before fine-tuning keeps the features from being spoilt by a random head (Kumar et al.,
    Fine-Tuning can Distort Pretrained Features, ICLR 2022); layers near the input change least (Howard,
    Ruder, ULMFiT, ACL 2018, section 3.2).

    Args:
        images: Training images.
        scan: What was measured of all images.
        timed: Whether a budget of time ends training.
    """
    batch, few = 16 if images < 5_000 else 64, images < FEW_TRAINING_IMAGES
    return {
        "probe": True,
        "freeze_bn": True,
        "layer_decay": 0.8,
        "optimizer": "adamw",
        "lr": 5e-4,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "warmup": 0.1,
        "batch_size": batch,
        "ema": round(float(np.clip(1 - batch / images, 0.9, 0.999)), 4),  # a memory of one epoch
        "epochs": 100_000 if timed else int(np.clip(round(6_000 / images), 5, 20)),
        "patience": 0 if timed or few else 5,
        "monitor": "loss" if few else "score",
        "augment": "standard",
        "resize": "crop" if elongation(scan) <= MAX_CROPPED_RATIO else "letterbox",
        "size": tuned_side(scan),
    }
