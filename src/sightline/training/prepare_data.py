"""Open, scan and check the data of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.core.card import TaskCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.check import look, refuse
from sightline.data.inputs import input_kind
from sightline.data.open import open_data
from sightline.data.scan import Scan, scan
from sightline.errors import UsageError
from sightline.evaluation import label_issues
from sightline.tasks import TASKS, card_of, task_type
from sightline.training.arguments import TrainArguments


@dataclass(frozen=True)
class PreparedData:
    """Data that were opened, scanned and checked; several plans can share them.

    Attributes:
        card: The task's card.
        dataset: The usable items.
        scan: What was measured of them.
        findings: What the check found, on all items.
        decisions: Decision to the reason for it.
        messages: What was left out.
    """

    card: TaskCard
    dataset: Dataset
    scan: Scan
    findings: list[Finding]
    decisions: dict[str, str]
    messages: list[str]

    @property
    def stratify_labels(self) -> np.ndarray | None:
        """(N,) labels for a stratified split."""
        return task_type(self.card.name).stratify_labels(self.dataset.targets)

    @property
    def least_units(self) -> int:
        """Items or groups that each part of a split has at least: of identities two, or there is no pair."""
        return 2 if self.card.open_set else 1


def look_at(arguments: TrainArguments) -> PreparedData:
    """Open the data, scan and check them.

    Raises:
        DataError: If the data cannot be used, or have faults that were not accepted.
    """
    card, dataset, why = _task_and_data(arguments)
    measured, findings = look(dataset, arguments.exif, card.open_set)
    refuse(findings, arguments.accept, label_issues.names())
    dataset, measured, notes = _usable(dataset, measured)
    given = {**arguments.options, "reads": card_of(card.name, arguments.model).reads}
    recast = task_type(card.name).recast(dataset, given)
    notes += recast.messages[len(dataset.messages) :]
    if recast.pixels is not dataset.pixels:  # the task shows the model other items: they are measured too
        measured = scan(recast)
    return PreparedData(card, recast, measured, findings, why, notes)


def _task_and_data(arguments: TrainArguments) -> tuple[Any, Dataset, dict[str, str]]:
    """The task's card and the data; each is recognized from the other if not given."""
    wanted = None if arguments.task is None else TASKS.load(arguments.task).CARD
    dataset = open_data(
        arguments.data,
        target_type=None if wanted is None else wanted.target_type,
        format=arguments.format,
        target=arguments.target,
        input=None if wanted is None else wanted.input,
        pixel_range=arguments.pixel_range,
        exif=arguments.exif,
        pairs=arguments.pairs,
        data_dir=arguments.data_dir,
    )
    items = f"{len(dataset)} {input_kind(dataset.input).item}s"
    why = {"data": f"{dataset.name}: {items}. {' '.join(dataset.messages)}"}
    if wanted is not None:
        why["task"] = f"{wanted.name}, as asked"
        return wanted, dataset, why
    cards = [TASKS.load(name).CARD for name in TASKS.names()]
    fitting = [
        c for c in cards if (c.target_type, c.input) == (dataset.target_type, dataset.input) and c.auto_detect
    ]
    if len(fitting) != 1:
        names = ", ".join(c.name for c in fitting) or "none"
        raise UsageError(
            f"{arguments.data} has a {dataset.target_type} for each image; tasks for it: {names}. "
            "Say which with --task."
        )
    why["task"] = f"{fitting[0].name}: the data give {dataset.targets.description}"
    return fitting[0], dataset, why


def _usable(dataset: Dataset, measured: Scan) -> tuple[Dataset, Scan, list[str]]:
    """Leave out items that cannot be decoded, with a message (their finding was accepted)."""
    if measured.readable.all():
        return dataset, measured, []
    keep = np.flatnonzero(measured.readable)
    lost = len(dataset) - len(keep)
    items = f"{input_kind(dataset.input).item}s"
    note = f"{lost} unreadable {items} are left out, as accepted; the report lists them."
    return dataset.subset(keep), measured.subset(keep), [note]
