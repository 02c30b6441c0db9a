"""Settings that have an effect with a way of training; all others are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sightline.core.card import ModelCard
from sightline.core.task import Task
from sightline.data.inputs._kind import InputKind
from sightline.errors import UsageError
from sightline.training.arguments import TrainArguments
from sightline.training.recipe import Recipe
from sightline.training.trainer import TrainerCard


def refuse_idle(trainer: TrainerCard, model: str, arguments: TrainArguments, recipe: Recipe) -> None:
    """Refuse settings from the user that would have no effect.

    Args:
        trainer: How the model is trained.
        model: Its name.
        arguments: What the user asked for.
        recipe: What of it is of the recipe.

    Raises:
        UsageError: Names the first such option.
    """
    if trainer.takes is None:
        return
    pretrained = None if arguments.pretrained == "auto" else arguments.pretrained
    others = ("weights", "teacher", "prune")
    given: Mapping[str, Any] = {
        **vars(recipe), **{name: getattr(arguments, name) for name in others}, "pretrained": pretrained
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and name not in trainer.takes:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} {value} has no effect: model '{model}' {trainer.verb}. Leave --{option} out."
            )


def refuse_ignored(card: ModelCard, arguments: TrainArguments, options: Any) -> None:
    """Refuse options of the task from the user that have no effect on a model.

    Args:
        card: The model's; it names them.
        arguments: What the user asked for.
        options: The task's options, with their types.

    Raises:
        UsageError: Names the first such option.
    """
    usual = type(options)()
    for option in arguments.options:
        name, option = option.replace("-", "_"), option.replace("_", "-")
        if name in card.ignores and getattr(options, name) != getattr(usual, name):
            raise UsageError(
                f"--{option} {getattr(options, name)} has no effect on model '{card.name}'. "
                f"Leave --{option} out, or name another --model."
            )


def refuse_unsuited(kind: InputKind, task: type[Task], recipe: Recipe) -> None:
    """Refuse settings from the user that mean nothing for a kind of input.

    Args:
        kind: Of what the task takes.
        task: The task; its own augmentation may take what the kind's has none for.
        recipe: What the user asked for.

    Raises:
        UsageError: Names the first such option.
    """
    changed = type(kind).augment is not InputKind.augment
    by_task = task.augment is not Task.augment
    idle = {*kind.idle, *(() if changed else ("hflip",)), *(() if changed or by_task else ("augment",))}
    for name, value in recipe.given().items():
        if name in idle:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} {value} has no effect: the task takes a {kind.item} for each item. "
                f"Leave --{option} out."
            )


def effective(trainer: TrainerCard, recipe: Recipe) -> Recipe:
    """The recipe with None for settings without an effect; training without steps takes one epoch."""
    if trainer.takes is None:
        return recipe
    idle: dict[str, Any] = {name: None for name in Recipe.names() if name not in trainer.takes}
    return replace(recipe, **idle | ({} if trainer.steps else {"epochs": 1}))
