"""Scores of predictions in files, without a run: a result of any tool against annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sightline.console import say
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Results
from sightline.core.targets.base import Targets
from sightline.core.task import DataInfo, Task
from sightline.data.open import open_data
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
    predictions: Path,
    data: str | None,
    task: str,
    split: str | None,
    format: str | None,
    target: str | None,
    data_dir: Path | None,
) -> PredictedData:
    """Read predictions and annotations, and pair them by name; a single file goes with a single item.

    Args:
        predictions: File or folder, in any format that is read as data of the task.
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
        raise UsageError(f"--task needs annotations too: evaluate {predictions} DATA --task {task}.")
    dataset = open_data(data, target_type=card.target_type, format=format, target=target, data_dir=data_dir)
    part, name = part_of(dataset, split)
    predicted = open_data(predictions, target_type=card.prediction_type)
    for source in (dataset, predicted):
        say(" ".join([f"{source.name}:", *source.messages]))
        warn(source, list(source.read_findings))
    rows, messages = _paired(predicted, part, str(predictions))
    targets, classes = predicted.targets[torch.from_numpy(rows)], part.classes
    if classes is not None and predicted.classes is not None:
        targets = targets.map_classes(_mapped(predicted.classes, classes, str(predictions)), len(classes))
    if reason := part.targets.mismatch(targets):
        raise DataError(f"{predictions} holds no predictions for {data}: {reason}.")
    kind = task_type(card.name)
    facts = part.targets.summary(len(classes or ())).get("statistics", {})
    info = DataInfo(classes, part.outputs, 3, (1, 1), (0.0,), (1.0,), 0, statistics=facts)
    return PredictedData(
        kind(info, kind.Options()), part, name, targets.as_prediction(len(classes or ())), messages
    )


def score_predictions(data: PredictedData, source: str) -> Results:
    """Scores of predictions, with what the task shows of them, and those under other readings of the data."""
    task, part = data.task, data.part
    target = part.targets.as_target()
    scores, metrics = scoring.score(task, data.prediction, target, part.groups)
    results = Results(task.card.name, part.name, data.name, len(part), scores)
    results.metadata = {"predictions": source}
    main = task.card.primary_metric
    summary = f"{conclusions.capitalized(main)}: {scores[main].text(metrics[main].card.percent)}."
    if scores[main].low != scores[main].low:
        summary += f" Interval: {scores[main].method}."
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
    opened = [open_predictions(path, data, task, "all", None, None, None) for path in paths]
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
    """
    if len(predicted) == len(part) == 1:
        return np.zeros(1, dtype=np.int64), []
    names, wanted = list(predicted.ids), list(part.ids)
    if not set(names) & set(wanted):
        names, wanted = ([item.rpartition("/")[2] for item in items] for items in (names, wanted))
    where = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in where]
    if missing or len(where) < len(names):
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise DataError(
            f"{source}: {len(missing):,} of {len(wanted):,} annotated items have no prediction ({shown}). "
            f"Name each as its item ({wanted[0]}), or score a part with --split."
        )
    extra = len(names) - len(set(wanted) & set(names))
    note = f"{extra:,} predictions are of items without annotations, and were left out."
    return np.array([where[name] for name in wanted], dtype=np.int64), [note] if extra else []


def _mapped(predicted: Classes, classes: Classes, source: str) -> torch.Tensor:
    """(K,) index among the annotated classes of each predicted one, by name."""
    unknown = [name for name in predicted.names if name not in classes.names]
    if unknown:
        raise DataError(
            f"{source} has classes that the annotations have not: {', '.join(unknown[:_SHOWN])}. Those "
            f"of the annotations are {', '.join(classes.names)}."
        )
    return torch.tensor([classes.names.index(name) for name in predicted.names], dtype=torch.int64)
