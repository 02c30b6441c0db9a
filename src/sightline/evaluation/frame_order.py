"""What a model says of the same items in another order of frames: whether the order matters to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.report import Figure, Results, Table
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Task
from sightline.data.inputs import input_kind
from sightline.devices import Devices
from sightline.evaluation import scoring
from sightline.inference.predict_batches import Batches, Predicted, predict
from sightline.metrics.functional.weighted import Weighted

CLEAR = 0.05
"""Loss of a score that is a share, in another order, from which on the order of frames is said to matter."""
Predictions = Mapping[str, Any]


class _Changed:
    """Batches whose inputs are changed."""

    def __init__(self, batches: Batches, change: Callable[[Tensor], Tensor]) -> None:
        self._batches, self._change = batches, change

    @property
    def ids(self) -> list[str]:
        return list(self._batches.ids)

    @property
    def targets(self) -> Any:
        return self._batches.targets

    def whole(self, prediction: Any) -> Any:
        return self._batches.whole(prediction)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        for batch in self._batches.epoch(epoch):
            yield batch.with_images(self._change(batch.images).contiguous())


def predict_reordered(model: Model, batches: Batches, ids: list[str], devices: Devices) -> dict[str, Any]:
    """Predictions for the items in each order of frames that their kind of input offers; none for images.

    Args:
        model: The model, on the device.
        batches: The items.
        ids: Their names, in the order that is wanted.
        devices: Where to run.
    """
    orders = input_kind(InputSpec.of(model.settings).kind).orders
    changed = {name: predict(model, _Changed(batches, change), devices) for name, change in orders.items()}
    return {name: predicted.in_order(ids).prediction for name, predicted in changed.items()}


def add_to(results: Results, task: Task, predicted: Predicted, reordered: Predictions) -> None:
    """Add what other orders of frames tell to the figures, the conclusions and the metadata.

    Args:
        results: Of the items as they are.
        task: The task.
        predicted: Predictions for them.
        reordered: See `predict_reordered`.
    """
    prediction, target = predicted.prediction, predicted.target
    results.figures += order_figures(task, prediction, reordered, target)
    if scores := order_scores(task, reordered, target):
        results.conclusions += order_conclusions(task, results.scores[task.card.primary_metric].value, scores)
        results.metadata["orders"] = scores


def order_scores(task: Task, reordered: Predictions, target: Any) -> dict[str, float]:
    """The main score in each order of frames."""
    return {name: scoring.main_score(task, prediction, target) for name, prediction in reordered.items()}


def order_conclusions(task: Task, score: float, scores: Mapping[str, float]) -> list[str]:
    """The scores in a sentence; of a share, also whether the order of frames matters to the model."""
    metric = task.metrics()[task.card.primary_metric]
    card = metric.card
    k, unit = (100.0, " %") if card.percent else (1.0, "")
    listed = ", ".join(f"{k * value:.1f}{unit} {name}" for name, value in scores.items())
    says = "Order of frames"
    if card.percent or (isinstance(metric, Weighted) and metric.scale == "share"):
        sign = 1 if card.higher_is_better else -1
        matters = max(sign * (score - other) for other in scores.values()) > CLEAR
        says = f"The model {'uses' if matters else 'hardly uses'} the order of frames"
    return [f"{says}: {card.name} {k * score:.1f}{unit} as filmed, {listed}."]


def order_figures(task: Task, prediction: Any, reordered: Predictions, target: Any) -> list[Figure]:
    """Of labels: what clips of each class are called when they are played in another order."""
    names = task.info.classes.names if task.info.classes is not None else ()
    if not isinstance(prediction, ClassLabels) or target.multilabel or not reordered:
        return []
    columns = ["class", "clips", "right as filmed"]
    for name in reordered:
        columns += [f"right {name}", f"{name}, mostly called"]
    rows: list[list[Any]] = []
    for k, class_name in enumerate(names):
        where = target.value == k
        if not where.any():
            continue
        row: list[Any] = [class_name, int(where.sum()), _share(prediction.value[where] == k)]
        for other in reordered.values():
            answers = other.value[where]
            most = int(torch.bincount(answers, minlength=len(names)).argmax())
            row += [_share(answers == k), f"{names[most]} ({_share(answers == most)})"]
        rows.append(row)
    note = "The same model on the same clips. One that judges single frames says the same in any order."
    return [Table("Order of frames", columns, rows, note)]


def _share(right: Tensor) -> str:
    return f"{float(right.float().mean()):.0%}"
