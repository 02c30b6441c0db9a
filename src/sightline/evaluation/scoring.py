"""Scoring: metrics of predictions, each with its confidence interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Evaluation, Metric, MetricCollection
from sightline.core.report import Score
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.metrics import intervals
from sightline.metrics.functional.weighted import Weighted


def score(
    task: Task, prediction: Any, target: Any, groups: np.ndarray | None = None
) -> tuple[dict[str, Score], dict[str, Metric]]:
    """Compute every metric of the task with its interval; also the metrics with their statistics. A single
    film is cut into blocks of frames.
    """
    metrics = MetricCollection(task.metrics())
    metrics.update(prediction, target, groups)
    single = Evaluation(prediction, target) if len(target) == 1 else None
    return {name: _scored(metric, single, groups) for name, metric in metrics.items()}, dict(metrics)


def _scored(metric: Metric, single: Evaluation | None, groups: np.ndarray | None) -> Score:
    """A metric with its interval over items, or over the blocks of a single one."""
    if single is not None and isinstance(metric, Weighted) and (blocks := metric.blocks(single)) is not None:
        return intervals.score_in_blocks(metric, blocks, metric.stats)
    return intervals.score(metric, metric.stats, groups=groups)


def main_score(task: Task, prediction: Any, target: Any) -> float:
    """The task's primary metric, without an interval."""
    metric = task.metrics()[task.card.primary_metric]
    metric.update(prediction, target)
    return metric.compute()


def other_readings(task: Task, prediction: Targets, target: Targets, groups: np.ndarray | None) -> list[str]:
    """A sentence with the scores under each other reading of the annotations."""
    sentences = []
    for words, reading in target.readings().items():
        scores, metrics = score(task, prediction, reading, groups)
        listed = ", ".join(f"{k} {s.text(metrics[k].card.percent)}" for k, s in scores.items())
        sentences.append(f"With {words}: {listed}.")
    return sentences
