"""The teacher of a distillation: compatibility, leakage, and its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sightline.core.inputs import InputSpec
from sightline.core.run import Run
from sightline.devices import Devices
from sightline.errors import DataError, UsageError
from sightline.inference.model_folder import read_card, restore
from sightline.models.surgery import layer_widths
from sightline.training import seen_images
from sightline.training.distillation import Teacher
from sightline.training.plan import Plan

SHARE = 0.5
"""Of the loss that is the distance to the teacher, where none is asked for."""


def validate(plan: Plan) -> Plan:
    """The plan with messages about its teacher; unchanged without one.

    Raises:
        UsageError: If the teacher was made for something else, or has learnt images that are held out here.
        DataError: If it holds no model.
    """
    arguments, share = plan.arguments, plan.recipe.distill
    if arguments.teacher is None:
        return plan
    share = SHARE if share is None else share
    path = arguments.teacher
    card = read_card(path)[1]
    fits(plan, path, card, "--teacher")
    description = f"{path}: {describe(card)}; {share:.0%} of the loss is the distance to what it says"
    notes = (*plan.messages, *seen_images.unseen(plan, path, "--teacher"))
    return replace(
        plan,
        recipe=replace(plan.recipe, distill=share),
        decisions={**plan.decisions, "teacher": description},
        messages=notes,
    )


def describe(card: Mapping[str, Any]) -> str:
    """The network of a model.json, in words."""
    settings = card["model_config"]
    return str(settings.get("backbone") if settings["method"] == "net" else settings["method"])


def fits(plan: Plan, path: Path, card: Mapping[str, Any], option: str) -> None:
    """Refuse a teacher of another task or other classes.

    Raises:
        UsageError: If its task, classes, outputs or channels are others.
    """
    theirs, own_info = card["data_info"], json.loads(json.dumps(asdict(plan.task.info)))
    if card["model_config"]["task"] != plan.task.card.name:
        raise UsageError(
            f"{option} {path} was trained for task '{card['model_config']['task']}', this is "
            f"'{plan.task.card.name}'. Name a run of this task."
        )
    for name, what in (("classes", "classes"), ("outputs", "numbers"), ("channels", "channels of images"),
                       ("multilabel", "several labels an image")):  # fmt: skip
        if theirs[name] != own_info[name]:
            names_of_both = [
                (x or {}).get("names") if name == "classes" else x for x in (theirs[name], own_info[name])
            ]
            raise UsageError(
                f"{option} {path} was made for other {what}: {names_of_both[0]}, where these data have "
                f"{names_of_both[1]}, and their order counts. Train it on the same class table first."
            )


def record(plan: Plan) -> dict[str, Any] | None:
    """Record of the teacher: its location, and the SHA-256 of its weights; None without one."""
    if plan.arguments.teacher is None:
        return None
    folder, card = read_card(plan.arguments.teacher)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return {"run": str(plan.arguments.teacher), "model": describe(card), "weights": digest}


def unchanged(plan: Plan, run: Run) -> None:
    """Refuse to continue with another teacher.

    Raises:
        DataError: If its weights are others now.
    """
    now, then = record(plan) or {}, run.record.teacher or {}
    if now.get("weights") != then.get("weights"):
        raise DataError(
            f"The teacher {now.get('run')} has other weights than when {run.path} began "
            f"({str(now.get('weights'))[:12]}, then {str(then.get('weights'))[:12]}). Start a new run."
        )


def open_teacher(plan: Plan, devices: Devices) -> Teacher | None:
    """The teacher of a plan on the device; None without one."""
    if plan.arguments.teacher is None:
        return None
    path = plan.arguments.teacher
    model = restore(path)[0].to(devices.device).eval().requires_grad_(False)
    return Teacher(model, plan.recipe.distill or 0.0, str(path))


def dry_run(plan: Plan) -> None:
    """Check with two empty images that student and teacher can be compared.

    Raises:
        UsageError: If it cannot.
    """
    teacher = open_teacher(plan, Devices(torch.device("cpu")))
    if teacher is None:
        return
    images = next(iter(InputSpec.of(plan.settings).noise(2).values()))
    teacher.check(layer_widths.build(plan.method.MODEL, plan.settings), images)
