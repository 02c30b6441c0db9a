"""Report items of tracking: each sequence, between the floor and the ceiling of association."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from sightline.core.metric import Evaluation, Metric
from sightline.core.report import Figure, Table
from sightline.core.targets.tracks import Tracks
from sightline.metrics.clear import counts_table
from sightline.metrics.functional.tracks import EPS, MATCH, assign, overlaps


def figures(
    metrics: Mapping[str, Metric], prediction: Tracks, target: Tracks, ids: list[str]
) -> list[Figure]:
    """One table for all sequences together, one with a row for each, and counts of boxes and switches."""
    columns = ["identities", *metrics]
    rows = [
        ["each box another object (floor)", *_scores(metrics, _unique(prediction), target)],
        ["as tracked", *_scores(metrics, prediction, target)],
        ["as annotated (ceiling)", *_scores(metrics, annotated(prediction, target), target)],
    ]
    note = (
        "The boxes that were tracked, with other identities. Between floor and ceiling lies what association "
        "can gain; what lies above the ceiling needs better boxes."
    )
    items: list[Figure] = [Table("Association", columns, rows, note)]
    if len(target) > 1:
        each = [[name, *_scores(metrics, prediction[i], target[i])] for i, name in enumerate(ids)]
        items.append(Table("Sequences", ["sequence", *metrics], each))
    return [*items, counts_table(prediction, target, ids)]


def _scores(metrics: Mapping[str, Metric], prediction: Tracks, target: Tracks) -> list[str]:
    evaluation = Evaluation(prediction, target)  # boxes are matched once for all metrics
    values = (m.compute_from(m.statistics(evaluation)) for m in metrics.values())
    return [f"{100 * value:.1f} %" for value in values]


def _unique(prediction: Tracks) -> Tracks:
    return replace(prediction, ids=torch.arange(1, len(prediction.ids) + 1))


def annotated(prediction: Tracks, target: Tracks) -> Tracks:
    """The prediction with the identities of the scored annotated boxes that its boxes overlap; others are
    unique.
    """
    most = int(target.ids.max()) if len(target.ids) else 0
    ids = torch.arange(most + 1, most + 1 + len(prediction.ids))
    sure = overlaps(Evaluation(prediction, target))
    sure = sure.at(sure.iou >= MATCH - EPS)
    matches = sure.at(assign(sure.moment, sure.t, sure.p, sure.iou))
    mine, theirs = matches.prediction.row[matches.p], matches.target.row[matches.t]
    ids[torch.from_numpy(mine)] = target.ids[torch.from_numpy(theirs)]
    return replace(prediction, ids=ids)
