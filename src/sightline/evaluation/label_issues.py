"""Find likely label errors with a trained model (confident learning)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.model import Model
from sightline.core.report import Finding
from sightline.core.run import Run
from sightline.core.task import Task
from sightline.data.loading.tiles import batches
from sightline.data.scan import Scan
from sightline.data.split import read_splits
from sightline.devices import Devices
from sightline.errors import DataError, UsageError
from sightline.evaluation.run_data import recast, same_question
from sightline.inference import threads
from sightline.inference.model_folder import restore
from sightline.inference.predict_batches import predict
from sightline.tasks import TASKS, task_type


@dataclass(frozen=True)
class Witness:
    """A run with its model and task, ready to look for label issues.

    Attributes:
        run: The run.
        model: Its model, with its weights.
        task: Its task.
    """

    run: Run
    model: Model
    task: Task


def names() -> list[str]:
    """Names of all findings of label issues."""
    return [name for task in TASKS.names() for name in task_type(task).findings]


def witness(path: Path, dataset: Dataset) -> Witness:
    """Open a run, if it fits the data; no image is read.

    Raises:
        DataError: If there is no run, or the data hold another kind of target.
        UsageError: If its task knows no doubts.
    """
    run = Run.open(path)
    model, task, _ = restore(run.path)
    name = task.card.name
    if not task.findings:
        able = ", ".join(n for n in TASKS.names() if task_type(n).findings)
        raise UsageError(
            f"--run {path} is of task '{name}', whose models cannot tell doubtful targets (those of {able} "
            "can). Leave out --run."
        )
    if dataset.target_type != task.card.target_type:
        raise DataError(
            f"--run {path} is of task '{name}', whose target is of the kind '{task.card.target_type}'; "
            f"{dataset.name} has {dataset.targets.description}. Name a run of this kind of data, or have "
            "the data "
            f"read otherwise with --task {name}."
        )
    return Witness(run, model, task)


def ask(
    witness: Witness, dataset: Dataset, scan: Scan, findings: Sequence[Finding]
) -> tuple[list[Finding], str]:
    """Findings of label issues, and a sentence about the images that the model was applied to.

    It is shown no image that the run or the data have put to test, whatever else has changed, and none
    that an error of the check names.

    Raises:
        DataError: If nothing is left to be shown, or the model does not know the classes.
    """
    stored = read_splits(witness.run.path)
    part = {item: name for name, items in stored.items() for item in items}
    given = np.array([part.get(item, "") for item in dataset.ids], dtype=object)
    test = (dataset.splits == "test") | (given == "test")
    wrong = {item for f in findings if f.severity == "error" for line in f.items
             for item in (line, line.partition(": ")[0])}  # fmt: skip
    bad = ~scan.readable | np.array([item in wrong for item in dataset.ids], dtype=bool)
    where = np.flatnonzero(~test & ~bad)
    closed, faulty = int(test.sum()), int((bad & ~test).sum())
    usable = recast(dataset.subset(where), witness.run) if len(where) else dataset.subset(where)
    given = np.array([part.get(item, "") for item in usable.ids], dtype=object)
    closed += int((given == "test").sum())  # items that the task makes have names of their own
    where = np.flatnonzero(given != "test")
    left = f"{closed:,} of the test part and {faulty:,} with errors were not shown."
    if not len(where):
        raise DataError(
            f"--run {witness.run.path}: no image of {dataset.name} can be shown to the model. {left} "
            "Mend the errors, or leave out --run."
        )
    shown = same_question(usable.subset(where), witness.run)
    trained = frozenset(usable.ids[i] for i in where.tolist() if given[i] == "train")
    say(f"Asking {witness.run.path} about {len(shown):,} images.")
    devices = Devices.start()
    model = witness.model.to(devices.device)
    with threads.few_threads([model], 64, devices):
        prediction = predict(model, batches(shown, model.settings, batch_size=64), devices)
    doubted = witness.task.label_issues(
        prediction.prediction, prediction.target, prediction.ids, {**model.settings, "trained": trained}
    )
    note = (
        f"{witness.run.path} was asked about {len(shown):,} images; it was trained on {len(trained):,} of "
        f"them, by their names. {left}"
    )
    return doubted, note
