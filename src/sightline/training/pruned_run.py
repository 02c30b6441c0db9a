"""The run that --prune starts from: its model is made narrower and trained again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sightline.console import say
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.errors import UsageError
from sightline.inference.model_folder import read_card, restore
from sightline.models.surgery import layer_widths, pruning
from sightline.training import teacher_run
from sightline.training.arguments import TrainArguments
from sightline.training.plan import Plan

INPUT_SETTINGS = ("size", "resize", "tile_size")
"""Settings of the recipe that say how images are seen; the run's own where none are asked for."""


def asked_for(arguments: TrainArguments) -> TrainArguments:
    """The arguments, with the model of the pruned run and its options.

    Raises:
        UsageError: If --prune is no share, no run is named, or another model than the run's.
    """
    if arguments.prune is None:
        return arguments
    if not 0 <= arguments.prune < 1:
        raise UsageError(
            f"--prune is a share of the channels, from 0 to below 1. Received {arguments.prune}."
        )
    path = Path(arguments.weights or "")
    if arguments.weights is None or not (path / "run.json").is_file():
        raise UsageError(
            "--prune takes channels out of a trained run: name it with --weights RUN. "
            f"Received {arguments.weights}."
        )
    settings, record = read_card(path)[1]["model_config"], Run.open(path).record
    name = teacher_run.describe(read_card(path)[1])
    if arguments.model not in (None, name):
        raise UsageError(
            f"--weights {path} is a '{name}', which --prune keeps. Leave out --model {arguments.model}."
        )
    if arguments.pretrained == "yes":
        raise UsageError("--prune begins with the weights of the run. Leave out --pretrained.")
    given = arguments.settings
    recipe = {
        n: record.recipe[n] for n in INPUT_SETTINGS if n not in given and record.recipe.get(n) is not None
    }
    options = {
        k: v for k, v in (record.arguments["options"] or {}).items() if k.replace("-", "_") not in given
    }
    return replace(
        arguments,
        task=arguments.task or settings["task"],
        model=name,
        recipe=arguments.recipe.filled(recipe),
        options={**options, **arguments.options},
    )


def validate(plan: Plan) -> Plan:
    """The plan with messages about pruning; unchanged without pruning.

    Raises:
        UsageError: If the run was made for something else.
    """
    arguments = plan.arguments
    if arguments.prune is None or arguments.weights is None:
        return plan
    path = Path(arguments.weights)
    teacher_run.fits(plan, path, read_card(path)[1], "--weights")
    description = f"{arguments.prune:.0%} of the channels of {path}, those with the smallest weights"
    return replace(plan, decisions={**plan.decisions, "prune": description})


def build(plan: Plan) -> tuple[Model, dict[str, Any]]:
    """The run's model, pruned, with the plan's settings; and its entry for run.json.

    Raises:
        UsageError: If its weights do not fit the plan, or it cannot be pruned.
    """
    assert plan.arguments.weights is not None
    assert plan.arguments.prune is not None
    path = Path(plan.arguments.weights)
    whole = restore(path)[0]
    theirs: Mapping[str, Any] = whole.settings
    plan.settings.pop(layer_widths.KEY, None)
    if theirs.get(layer_widths.KEY):  # it was pruned before
        plan.settings[layer_widths.KEY] = theirs[layer_widths.KEY]
    model = layer_widths.build(plan.method.MODEL, plan.settings)
    try:
        model.load_state_dict(whole.state_dict())
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise UsageError(
            f"--weights {path} does not fit this model ({first}). Give the --size and the options that it "
            "was trained with."
        ) from error
    model.set_normalization(theirs["mean"], theirs["std"])
    taken = pruning.prune(model, plan.arguments.prune)
    return model, {"from": str(path), **vars(taken), "text": taken.text()}


def dry_run(plan: Plan) -> None:
    """Prune once before anything is written, and print the sizes.

    Raises:
        UsageError: As `build`.
    """
    if plan.arguments.prune is not None:
        say(f"pruned    {build(plan)[1]['text']}")
