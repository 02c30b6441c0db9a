"""Scoring: metrics of predictions, each with its confidence interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Metric, MetricCollection
from sightline.core.report import Score
from sightline.core.task import Task
from sightline.metrics import intervals


def score(
    task: Task, prediction: Any, target: Any, groups: np.ndarray | None = None
) -> tuple[dict[str, Score], dict[str, Metric]]:
    """Compute every metric of the task with its interval; also the metrics with their statistics."""
    metrics = MetricCollection(task.metrics())
    metrics.update(prediction, target, groups)
    scores = {name: intervals.score(metric, metric.stats, groups=groups) for name, metric in metrics.items()}
    return scores, dict(metrics)
