"""Filters of predictions: top classes, most confident objects, some classes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sightline.core.predictor import Outcome
from sightline.core.task import Task
from sightline.errors import UnknownName, UsageError
from sightline.inference.presenters import Kind, details, select_objects
from sightline.inference.sources import Answer
from sightline.runtime.rows import Row
from sightline.runtime.targets.instances import THRESHOLD


@dataclass(frozen=True)
class OutputFilter:
    """Filter of predictions: what is kept.

    Attributes:
        kind: How predictions are told.
        names: Name of each class.
        top: How many probabilities, or None for all.
        least: Lowest score of an object, of each class or of all.
        classes: Indices of classes, or None for all.
        seconds: Whether rows say when a frame is shown.
    """

    kind: Kind
    names: Sequence[str]
    top: int | None
    least: float | Sequence[float]
    classes: list[int] | None
    seconds: bool


def filter_from_options(
    kind: Kind, names: Sequence[str], classes: Sequence[str], min_score: float | None
) -> list[int] | None:
    """Indices of the requested classes."""
    wanted = [classes] if isinstance(classes, str) else list(classes)
    if not kind.objects and (wanted or min_score is not None):
        option = "--classes" if wanted else "--min-score"
        raise UsageError(f"{option} chooses among objects; this model says one thing of the whole image.")
    if min_score is not None and not 0 <= min_score <= 1:
        raise UsageError(f"--min-score must lie in [0, 1]. Received {min_score}.")
    for name in wanted:
        if name not in names:
            raise UnknownName("class", name, names)
    return [names.index(name) for name in wanted] or None


def least_of(settings: Mapping[str, Any], min_score: float | None) -> float | list[float]:
    """Score threshold of objects: the requested one, or the one chosen on validation images, for each
    class or all.
    """
    chosen: float | list[float] = settings.get("thresholds", THRESHOLD)
    return chosen if min_score is None else min_score


def counted(task: Task, outcome: Outcome, wish: OutputFilter) -> Outcome:
    """The outcome with the objects that count, and the row that counts them."""
    if outcome.error or not wish.kind.objects:
        return outcome
    prediction, row = select_objects(outcome.prediction, wish.least, wish.classes), outcome.row
    if len(prediction.labels) < len(outcome.prediction.labels):
        (row,) = task.to_records(prediction)
    return replace(outcome, prediction=prediction, row=row)


def apply_filter(task: Task, answer: Answer, wish: OutputFilter) -> Answer:
    """Apply the filter to a prediction; its row gets the path."""
    outcome = counted(task, answer.outcome, wish)
    prediction, row = outcome.prediction, outcome.row
    if not outcome.error:
        row = {**row, **details(prediction, wish.names)}
    where: Row = {"path": outcome.id}
    if answer.input.part is not None:
        where["start"], where["end"] = answer.input.part
    if wish.seconds and answer.input.seconds is not None:
        where["seconds"] = round(answer.input.seconds, 6)
    elif wish.seconds and not outcome.error:
        where["seconds"] = None
    row = {**where, **_top(row, wish.top)}
    return replace(answer, outcome=replace(outcome, prediction=prediction, row=row))


def _top(row: Row, top: int | None) -> Row:
    """The row with only the `top` largest probabilities."""
    if top is None:
        return row
    scores = sorted((k for k in row if k.startswith("prob_")), key=lambda k: -row[k])
    return {k: v for k, v in row.items() if not k.startswith("prob_") or k in scores[:top]}
