"""Scores of predictions in files, without a run: a result of any tool against annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sightline.console import say
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Results
from sightline.core.targets.base import Targets
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo, Task
from sightline.data.one_class import in_one_class
from sightline.data.open import open_data
from sightline.data.parsing.columns import SINGLE_CLASS
from sightline.errors import DataError, UsageError
from sightline.evaluation import conclusions, scoring
from sightline.evaluation.attempt import exhibits
from sightline.evaluation.comparison import Comparison, compared, comparison
from sightline.evaluation.scored_data import part_of, warn
from sightline.tasks import TASKS, task_type

_SHOWN = 3


@dataclass(frozen=True)
class PredictedData:
    """Predictions in files, and their annotations, item by item.

    Attributes:
        task: Scores them.
        part: The annotated items.
        name: Of the part: train, val, test or all.
        prediction: Of these items, with the classes of the annotations.
        messages: What to know of the pairing.
    """

    task: Task
    part: Dataset
    name: str
    prediction: Targets
    messages: list[str]


def open_predictions(
    files: Sequence[Path],
    data: str | None,
    task: str,
    split: str | None,
    format: str | None,
    target: str | None,
    data_dir: Path | None,
) -> list[PredictedData]:
    """Read annotations and predictions, and pair them by name; a single file goes with a single item.

    Args:
        files: Files or folders of predictions, each in any format that is read as data of the task.
        data: The annotations.
        task: Name of the task.
        split: Part of the annotations; all of them, if left out and there are no splits.
        format: Format of the annotations.
        target: Column of a table of annotations.
        data_dir: Folder of named data sets.

    Raises:
        UsageError: If no annotations are named.
        DataError: If some items have no prediction, or predictions cannot be of these items.
    """
    card = TASKS.load(task).CARD
    if data is None:
        raise UsageError(f"--task needs annotations too: evaluate {files[0]} DATA --task {task}.")
    dataset = open_data(data, target_type=card.target_type, format=format, target=target, data_dir=data_dir)
    _tell(dataset)
    root = dataset.root or Path()
    predicted = [open_data(file, target_type=card.prediction_type, predictions=root) for file in files]
    part, name = part_of(dataset, split)
    notes = []
    if isinstance(part.targets, Instances) and _unnamed(predicted) and not _unnamed([part]):
        part = in_one_class(part)
        notes.append(part.messages[-1])
    kind, classes = task_type(card.name), len(part.classes or ())
    facts = part.targets.summary(classes).get("statistics", {})
    info = DataInfo(part.classes, part.outputs, 3, (1, 1), (0.0,), (1.0,), 0, statistics=facts)
    scorer = kind(info, kind.Options())
    opened = []
    for file, dataset in zip(files, predicted, strict=True):
        _tell(replace(dataset, name=file.stem))
        targets, messages = _of_items(dataset, part, str(file))
        if reason := part.targets.mismatch(targets):
            raise DataError(f"{file} holds no predictions for {data}: {reason}.")
        opened.append(PredictedData(scorer, part, name, targets.as_prediction(classes), [*notes, *messages]))
    return opened


def _unnamed(datasets: Sequence[Dataset]) -> bool:
    """Whether all objects are of the class that stands where none is given."""
    return all(
        dataset.classes is not None and dataset.classes.names == (SINGLE_CLASS,) for dataset in datasets
    )


def _tell(dataset: Dataset) -> None:
    """Print how data were read, and what is wrong with them."""
    say(" ".join([f"{dataset.name}:", *dataset.messages]))
    warn(dataset, list(dataset.read_findings))


def _of_items(predicted: Dataset, part: Dataset, source: str) -> tuple[Targets, list[str]]:
    """The predictions of the annotated items, with their classes; and what to say."""
    rows, messages = _paired(predicted, part, source)
    targets = predicted.targets[torch.from_numpy(rows)]
    if part.classes is not None and predicted.classes is not None:
        targets = targets.map_classes(_mapped(predicted.classes, part.classes, source), len(part.classes))
    if isinstance(targets, Instances) and len(targets.labels):
        messages += _check_scores(targets.scores, source)
    return targets, messages


def _check_scores(scores: torch.Tensor | None, source: str) -> list[str]:
    """What to say where objects have no scores.

    Raises:
        DataError: If some have one and others have not, or one is outside of [0, 1].
    """
    if scores is None:
        return [
            f"{source} holds no scores: all its objects count alike, and average precision cannot rank them."
        ]
    if bare := int(scores.isnan().sum()):
        raise DataError(
            f"{source}: {bare:,} of {len(scores):,} objects have no score, the others have one. "
            "Give each a score, or none."
        )
    low, high = float(scores.min()), float(scores.max())
    if low < 0 or high > 1:
        raise DataError(
            f"{source}: scores go from {low:g} to {high:g}. Expected numbers from 0 to 1: rescale them."
        )
    return []


def score_predictions(data: PredictedData, source: str) -> Results:
    """Scores of predictions, with what the task shows of them, and those under other readings of the data."""
    task, part = data.task, data.part
    target = part.targets.as_target()
    scores, metrics = scoring.score(task, data.prediction, target, part.groups)
    results = Results(task.card.name, part.name, data.name, len(part), scores)
    results.metadata = {"predictions": source}
    main = task.card.primary_metric
    summary = f"{conclusions.capitalized(main)}: {scores[main].text(metrics[main].card.percent)}."
    summary += conclusions.interval_in_words(scores[main], len(part))
    others = scoring.other_readings(task, data.prediction, target, part.groups)
    results.conclusions = [summary, *data.messages, *others]
    results.figures = exhibits(task, data.prediction, target, list(part.ids), {}, results.conclusions)
    return results


def compare_predictions(files: Sequence[Path], data: str | None, task: str) -> Comparison:
    """Compare predictions in the first file or folder with those in each other one, item by item.

    Raises:
        UsageError: If fewer than two are named, or no annotations.
        DataError: As `open_predictions`.
    """
    paths = [Path(file) for file in files]
    if len(paths) < 2:
        raise UsageError(f"A comparison needs two or more predictions. Received {len(paths)}.")
    opened = open_predictions(paths, data, task, "all", None, None, None)
    short = [path.stem for path in paths]
    names = short if len(set(short)) == len(paths) else [str(path) for path in paths]
    first, part = opened[0], opened[0].part
    target = part.targets.as_target()
    pairs = [
        compared(first.task, (names[0], name), (first.prediction, other.prediction), target, part.groups)
        for name, other in zip(names[1:], opened[1:], strict=True)
    ]
    return comparison(
        first.task, pairs, list(dict.fromkeys(text for part in opened for text in part.messages))
    )


def _paired(predicted: Dataset, part: Dataset, source: str) -> tuple[np.ndarray, list[str]]:
    """(N,) row of the prediction for each annotated item, and what to say.

    Names are compared in full, else by what follows their last slash.

    Raises:
        DataError: If an annotated item has no prediction, or two items or predictions share such a name.
    """
    if len(predicted) == len(part) == 1:
        return np.zeros(1, dtype=np.int64), []
    names, wanted = list(predicted.ids), list(part.ids)
    if not set(names) & set(wanted):
        names, wanted = ([item.rpartition("/")[2] for item in items] for items in (names, wanted))
        for what, short, whole in (
            ("predictions", names, predicted.ids), ("annotated items", wanted, part.ids),
        ):  # fmt: skip
            counts = Counter(short)
            if again := [item for item, name in zip(whole, short, strict=True) if counts[name] > 1]:
                raise DataError(
                    f"{source}: {len(again):,} {what} share the end of their name with another "
                    f"({_first(again)}), and which prediction is whose is not clear. Name each prediction as "
                    f"its item, with its folders ({part.ids[0]})."
                )
    where = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in where]
    if missing:
        raise DataError(
            f"{source}: {len(missing):,} of {len(wanted):,} annotated items have no prediction "
            f"({_first(missing)}). Name each as its item ({wanted[0]}), or score a part with --split."
        )
    extra = len(names) - len(set(wanted) & set(names))
    note = f"{extra:,} predictions are of items without annotations, and were left out."
    return np.array([where[name] for name in wanted], dtype=np.int64), [note] if extra else []


def _first(items: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")


def _mapped(predicted: Classes, classes: Classes, source: str) -> torch.Tensor:
    """(K,) index among the annotated classes of each predicted one, by name."""
    unknown = [name for name in predicted.names if name not in classes.names]
    if unknown:
        raise DataError(
            f"{source} has classes that the annotations have not: {', '.join(unknown[:_SHOWN])}. Those "
            f"of the annotations are {', '.join(classes.names)}."
        )
    return torch.tensor([classes.names.index(name) for name in predicted.names], dtype=torch.int64)
