"""Tasks: one folder each, with CARD in its `__init__` and a class `Task` in task.py."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sightline.config import build
from sightline.core.folder import Folder

if TYPE_CHECKING:
    from sightline.core.card import TaskCard
    from sightline.core.dataset import Dataset
    from sightline.core.task import Task

TASKS = Folder(__name__, "task")


def task_type(name: str) -> type[Task]:
    """The Task class of a task."""

    task_class: type[Task] = importlib.import_module(f"{TASKS.load(name).__name__}.task").TASK
    return task_class


def without_labels(card: TaskCard, dataset: Dataset) -> Dataset:
    """The data as a task wants them: where it asks for no annotations, without those that are there."""
    from sightline.core.targets.none import Unlabeled

    if card.truth != "none" or dataset.truth == "none":
        return dataset
    note = f"Task '{card.name}' asks for no annotations: those of the data are left aside."
    notes = (*dataset.notes, note)
    return replace(dataset, targets=Unlabeled(len(dataset)), classes=None, outputs=(), notes=notes)


def wanted_truth(card: TaskCard) -> str | None:
    """The target type that data are to be read with; None where any will do."""
    return None if card.truth == "none" else card.truth


def load_method(card: Mapping[str, Any]) -> ModuleType:
    """Module of a record's model: a file in its task's `models/`, or a baseline's stand-in."""
    from sightline.models.adapters import fitted

    name = card["settings"]["method"]
    if name.startswith(fitted.PREFIX):
        return fitted.method_of(fitted.baseline_named(name, task_from(card).baselines()))
    method: ModuleType = TASKS.load(card["settings"]["task"]).MODELS.load(name)
    return method


def task_from(card: Mapping[str, Any]) -> Task:
    """The task from its stored record in run.json or model.json."""
    from sightline.core.dataset import Classes
    from sightline.core.task import DataInfo

    info, name = card["info"], card["settings"]["task"]
    classes = info["classes"] and Classes(tuple(info["classes"]["names"]), tuple(info["classes"]["ids"]))
    kind = task_type(name)
    return kind(
        DataInfo(**{**info, "classes": classes}), build(kind.Options, card["task_options"], f"task '{name}'")
    )
