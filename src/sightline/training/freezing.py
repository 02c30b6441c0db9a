"""Freezing: which parts of a network are not trained, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from sightline.core.model import Model
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights.load import freeze, frozen_modules, unfreeze_stage
from sightline.training import optimizers
from sightline.training.progress import progress_of
from sightline.training.recipe import Recipe
from sightline.training.state import Training


@contextmanager
def frozen(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Freeze these parameters inside this block; parameters that were frozen before stay so."""
    free = [p for p in parameters if p.requires_grad]
    for parameter in free:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in free:
            parameter.requires_grad_(True)


def still(model: Model, recipe: Recipe) -> list[nn.Module]:
    """Batch norm layers whose running statistics stay frozen."""
    if not recipe.freeze_bn:
        return frozen_modules(model)
    backbone = model.backbone()
    return [m for m in (backbone or model).modules() if getattr(m, "running_mean", None) is not None]


def layer_scales(training: Training) -> dict[nn.Parameter, float] | None:
    """Layer-wise learning-rate multipliers, if the recipe has them."""
    backbone, decay = training.model.backbone(), training.recipe.layer_decay
    if decay in (None, 1.0):
        return None
    if not isinstance(backbone, Backbone):
        raise UsageError(
            f"Model '{training.model.card.name}' has no list of blocks for --layer-decay {decay}. "
            "Leave it out."
        )
    return optimizers.layer_scales(backbone, decay)


def set_trainable(training: Training, batches: int) -> None:
    """Freeze what the recipe freezes, and unfreeze it stage by stage."""
    backbone, recipe = training.model.backbone(), training.recipe
    if recipe.freeze in (None, "none"):
        return
    if not isinstance(backbone, Backbone):
        raise UsageError(
            f"Model '{training.model.card.name}' has no part that can be kept from training. "
            f"Leave out --freeze {recipe.freeze}."
        )
    freeze(backbone, recipe.freeze)
    unfreeze = 1.0 if recipe.unfreeze is None else recipe.unfreeze
    if unfreeze < 1:
        done = progress_of(training, batches)
        unfreeze_stage(backbone, max(0.0, (done - unfreeze) / max(1 - unfreeze, 1e-9)))
