"""Dry run: one loss on the smallest batch of the training, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.data.loading.preprocess import resize_targets
from sightline.errors import SightlineError, UsageError
from sightline.models.backbones._backbone import Backbone
from sightline.models.surgery import layer_widths
from sightline.models.weights.load import freeze
from sightline.ops.resize_shape import fixed
from sightline.training.freezing import still
from sightline.training.plan import Plan
from sightline.training.turns import turns_of

SAFE = 64
"""Shorter side in pixels from which on every network takes a batch of two."""
LARGEST = 512
"""Side in pixels up to which a size that works is looked for."""

Settings = Mapping[str, Any]


def dry_run(plan: Plan, world: int = 1) -> None:
    """Refuse a batch or an input size that the network cannot be trained with.

    Batch norm needs two values a channel, which a single image whose maps have shrunk to one pixel does not
    give; and a map may shrink to nothing.

    Args:
        plan: What is to be trained.
        world: Processes that share a batch.

    Raises:
        UsageError: Names the smallest batch and size that work.
    """
    if not plan.trainer.steps:
        return
    images = max(1, (plan.recipe.batch_size or 32) // world)
    least = _smallest_settings(plan)
    if images > 1 and min(least["size"], default=SAFE) >= SAFE:
        return
    images = min(images, 2)
    reason = _trouble(plan, plan.settings, images) or _trouble(plan, least, images)
    if reason is None:
        return
    ways = []
    if images == 1 and _trouble(plan, least, 2) is None:
        ways.append(f"--batch-size {2 * world}")
    if (side := _smallest(plan, least, images)) is not None:
        ways.append(f"--size {side}")
    if not ways:
        return  # it is not the batch and not the size: training says what it is
    sides = "x".join(map(str, least["size"]))
    name = plan.decisions["model"].partition(":")[0]
    raise UsageError(
        f"{name} cannot be trained with a batch of {images} at {sides} pixels ({reason}). "
        f"The smallest that works: {', or '.join(ways)}."
    )


def _smallest_settings(plan: Plan) -> dict[str, Any]:
    """Settings with the smallest batch size that can occur in training."""
    reach, stride = plan.task.multiscale, plan.method.CARD.stride
    size = plan.settings["size"]
    if reach and (plan.recipe.augment or "none") != "none":
        size = [max(stride, round(side * (1 - reach) / stride) * stride) for side in size]
    return {**plan.settings, "size": list(size)}


def _trouble(plan: Plan, settings: Settings, images: int) -> str | None:
    """Reason why the loss of this many images cannot be computed, in a line; None if it can.

    Raises:
        SightlineError: If the model itself says that it cannot be built so.
    """
    try:
        model = _model(plan, settings)
        where = torch.from_numpy(plan.dataset.indices_of("train"))[torch.arange(images)]
        targets, *_ = resize_targets(
            plan.dataset.targets[where], tuple(settings["size"]), fixed(settings["resize"])
        )
        inputs = InputSpec.of(settings).zeros(images)
        with torch.no_grad():
            for turn in turns_of(model.optimizer_groups()):
                model.loss(Batch(inputs, targets, []), torch.Generator().manual_seed(0), turn)
    except SightlineError:
        raise
    except (ValueError, RuntimeError) as error:
        return str(error).strip().partition("\n")[0]
    return None


def _model(plan: Plan, settings: Settings) -> Model:
    """The network in the state of its first step, without trained weights."""
    model = layer_widths.build(plan.method.MODEL, dict(settings))
    backbone, recipe = model.backbone(), plan.recipe
    for_good = recipe.unfreeze is None or recipe.unfreeze >= 1
    if isinstance(backbone, Backbone) and for_good:
        freeze(backbone, recipe.freeze or "none")
    model.train()
    for layer in still(model, recipe):
        layer.eval()
    return model


def _smallest(plan: Plan, least: Settings, images: int) -> int | None:
    """The smallest --size that works, or None."""
    stride: int = plan.method.CARD.stride
    now: list[int] = list(least["size"])
    if not now:  # noise has no size
        return None

    def works(side: int) -> bool:
        scale = side / max(now)
        size = [math.ceil(scale * s / stride) * stride for s in now]
        try:
            return _trouble(plan, {**least, "size": size}, images) is None
        except SightlineError:
            return False

    low, high = max(now) // stride, LARGEST // stride
    if low >= high or not works(high * stride):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle * stride) else (middle, high)
    return high * stride
