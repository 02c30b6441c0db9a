"""The data of a run: where they are now, whether they have changed, and how they were split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.run import Run
from sightline.data.open import is_name, open_data
from sightline.data.split import SPLITS_FILE, read_splits, splits_from_json
from sightline.errors import DataError
from sightline.tasks import TASKS, card_of, task_type

ABOVE = 4
"""Folders above a run that its data are looked for in, where they are not in their place."""
_PATHS = ("data", "data_dir", "splits", "weights", "teacher")


def absolute_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with absolute paths, so that they hold from any working folder. Names are not changed."""
    return {k: _whole(v) if k in _PATHS and v is not None else v for k, v in arguments.items()}


def _whole(path: str) -> str:
    return str(Path(path).absolute()) if Path(path).exists() else path


def open_own(run: Run, data: str | None = None) -> Dataset:
    """Open the data of a run, read as in that run.

    Args:
        run: The run.
        data: Where they lie now. Left out: where they were, else beside the run.

    Raises:
        DataError: If they cannot be found or read.
    """
    arguments, at = run.record.arguments, data
    data_dir = arguments["data_dir"]
    if at is None:
        at = next((str(p) for p in _places(run, arguments["data"]) if p.exists()), arguments["data"])
        if at != arguments["data"] and Path(arguments["data"]).is_absolute():
            say(f"{arguments['data']} is not there any more; taken from {at}.")
    elif is_name(arguments["data"]) or _below(Path(data or ""), arguments["data"]):
        at, data_dir = arguments["data"], data
    try:
        card = TASKS.load(run.record.model_config.task).CARD
        dataset = open_data(
            at,
            target_type=card.target_type,
            input=card.input,
            format=arguments["format"],
            target=arguments["target"],
            exif=arguments.get("exif"),
            pixel_range=run.record.model_config.pixel_range,
            data_dir=None if data_dir is None else Path(data_dir),
        )
        return recast(dataset, run)
    except DataError as error:
        if data is not None or Path(at).exists():
            raise
        raise DataError(
            f"The data of {run.path} are not at {at} any more, nor beside the run. Say where they are: "
            f"--data (export, benchmark), or `sightline evaluate {run.path} DATA`. ({error})"
        ) from error


def recast(dataset: Dataset, run: Run) -> Dataset:
    """The data as the task of a run sees them; see `Task.recast`. What it says of them is printed."""
    config = run.record.model_config
    settings = {**config.to_json(), "reads": card_of(config.task, config.method).reads}
    changed = task_type(config.task).recast(dataset, settings)
    for message in changed.messages[len(dataset.messages) :]:
        say(message)
    return changed


def _below(folder: Path, data: str) -> bool:
    """Whether data that were named as a path from a folder of data lie below this one."""
    return not Path(data).is_absolute() and (folder / data).exists()


def _places(run: Run, data: str) -> Iterator[Path]:
    """Possible locations of data: the stored path, and below each folder above the run."""
    yield Path(data)
    below = Path(data)
    tails = dict.fromkeys((str(below), below.name)) if not below.is_absolute() else {below.name: None}
    for folder in list(run.path.absolute().parents)[:ABOVE] if not is_name(data) else ():
        for tail in tails:
            yield folder / tail


def load_run_dataset(run: Run, data: str | None = None) -> Dataset:
    """The data set of a run, with the splits of the run.

    Args:
        run: The run.
        data: Where its data lie now, if not where they were.

    Raises:
        DataError: If the data are no longer there, are others, or have no validation images.
    """
    dataset = same_question(open_own(run, data), run)
    trained_dataset = as_trained(dataset, run)
    if trained_dataset is None:
        raise DataError(
            f"{dataset.root or dataset.name} is not what {run.path} was trained on: an image, a label or a "
            "name changed, or is gone. What is said of a file holds only on the run's own validation images. "
            "Name them: --data."
        )
    if not len(trained_dataset.indices_of("val")):
        raise DataError(f"{run.path} has no validation images to check a file on.")
    return trained_dataset


def as_trained(dataset: Dataset, run: Run) -> Dataset | None:
    """The items of a run with its splits; None if they are incomplete or changed."""
    if not (run.path / SPLITS_FILE).is_file():
        return None
    stored = read_splits(run.path)
    had = {item for part in stored.values() for item in part}
    keep = [i for i, item in enumerate(dataset.ids) if item in had]
    if len(keep) < len(had):
        return None
    more = len(dataset) - len(keep)
    part = dataset.subset(np.array(keep))
    if part.fingerprint() != run.record.data.fingerprint:
        return None
    if more:
        say(f"{more} images that {run.path} did not have lie beside its own.")
    return part.with_splits(splits_from_json(part, stored))


def same_question(dataset: Dataset, run: Run) -> Dataset:
    """The data, if they ask what the model answers.

    Raises:
        DataError: If the targets are of another kind, or the numbers have other names.
    """
    multi = bool(getattr(dataset.targets, "multilabel", False))
    if multi != bool(run.record.model_config.multilabel):
        several = "one label" if multi else "several labels"
        raise DataError(f"{dataset.name} does not fit: the model gives {several} an image, these data not.")
    names = tuple(run.record.data.outputs)
    if dataset.outputs != names:
        raise DataError(
            f"{dataset.name} gives {', '.join(dataset.outputs)}; the model gives {', '.join(names)}. "
            f"Name the column: --target {','.join(names)}."
        )
    if TASKS.load(run.record.model_config.task).CARD.open_set:
        return dataset
    return _same_classes(dataset, run.classes)


def _same_classes(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """Map classes of the data to the model's, by name, never by number.

    Raises:
        DataError: If the data have a class that the model does not know.
    """
    if dataset.classes is None or dataset.classes.names == names:
        return dataset
    unknown = sorted(set(dataset.classes.names) - set(names))
    if unknown:
        raise DataError(
            f"{dataset.name} has classes that the model was not trained on: {', '.join(unknown)}. "
            f"It knows {', '.join(names)}. Rename or leave them out."
        )
    to = torch.tensor([names.index(name) for name in dataset.classes.names])
    targets = dataset.targets.map_classes(to, len(names))
    return replace(dataset, targets=targets, classes=replace(dataset.classes, names=names, ids=()))
