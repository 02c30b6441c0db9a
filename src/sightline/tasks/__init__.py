"""Tasks: one folder each, with CARD in its `__init__` and a class `Task` in task.py."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sightline.config import build
from sightline.core.folder import Folder

if TYPE_CHECKING:
    from sightline.core.card import ModelCard
    from sightline.core.task import Task

TASKS = Folder(__name__, "task")


def task_type(name: str) -> type[Task]:
    """The Task class of a task."""

    task_class: type[Task] = importlib.import_module(f"{TASKS.load(name).__name__}.task").TASK
    return task_class


def load_method(card: Mapping[str, Any]) -> ModuleType:
    """Module of a record's model: a file in its task's `models/`, or a baseline's stand-in."""
    from sightline.models.adapters import fitted

    name = card["model_config"]["method"]
    if name.startswith(fitted.PREFIX):
        return fitted.method_of(fitted.baseline_named(name, task_from(card).baselines()))
    method: ModuleType = TASKS.load(card["model_config"]["task"]).MODELS.load(name)
    return method


def card_of(task: str, model: str | None) -> ModelCard:
    """Card of a task's model; of its usual one where none is named, or what is named is a backbone or a
    baseline, which stands beside that one.
    """
    package = TASKS.load(task)
    name = model if model is not None and model in package.MODELS else package.CARD.default_model
    card: ModelCard = package.MODELS.load(name).CARD
    return card


def task_from(card: Mapping[str, Any]) -> Task:
    """The task from its stored record in run.json or model.json."""
    from sightline.core.dataset import Classes
    from sightline.core.task import DataInfo

    info, name = card["data_info"], card["model_config"]["task"]
    classes = info["classes"] and Classes(tuple(info["classes"]["names"]), tuple(info["classes"]["ids"]))
    kind = task_type(name)
    return kind(
        DataInfo(**{**info, "classes": classes}), build(kind.Options, card["task_config"], f"task '{name}'")
    )
