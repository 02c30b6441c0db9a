"""Scores of each group."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sightline.core.report import Figure, Table
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Task
from sightline.evaluation import scoring

MAX_GROUPS = 40
"""Groups that are listed."""


def group_figures(task: Task, prediction: Any, target: Any, groups: np.ndarray | None) -> list[Figure]:
    """The main score of each group, the lowest first, where labels are known of up to 40 groups."""
    if groups is None or not isinstance(prediction, ClassLabels):
        return []
    names = np.unique(groups.astype(str))
    if not 1 < len(names) <= MAX_GROUPS:
        return []
    rows: list[list[Any]] = []
    for name in names:
        where = torch.from_numpy(np.flatnonzero(groups.astype(str) == name))
        rows.append([name, len(where), scoring.main_score(task, prediction[where], target[where])])
    card = task.metrics()[task.card.primary_metric].card
    rows.sort(key=lambda row: row[2], reverse=not card.higher_is_better)
    return [Table("Scores by group", ["group", "items", card.name], rows)]
