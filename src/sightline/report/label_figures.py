"""Figures of labels: confusion matrix, scores of each class, reliability, and galleries of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.report import Figure, LinePlot, Matrix, PredictionGallery, Score, Table
from sightline.core.targets.label import ClassLabels
from sightline.metrics import intervals
from sightline.metrics.calibration import reliability

MAX_SHOWN = 12
"""Items in a gallery."""


def figures(
    names: Sequence[str],
    prediction: ClassLabels,
    target: ClassLabels,
    ids: Sequence[str],
    item: str = "images",
) -> list[Figure]:
    """Confusion matrix, scores of each class, reliability, most confident mistakes, right ones.

    Args:
        names: Of the K classes.
        prediction: Of N items, each of one class.
        target: Their classes.
        ids: Their names.
        item: What they are called, in the plural.
    """
    k = len(names)
    counts = np.zeros((k, k), dtype=int)
    np.add.at(counts, (target.value.numpy(), prediction.value.numpy()), 1)
    predicted, true = (F.one_hot(v, k).bool() for v in (prediction.value, target.value))
    return [
        Matrix("Confusion matrix", names, counts.tolist(), "Rows: target. Columns: prediction."),
        per_class(names, predicted, true, item),
        calibration_plot(prediction, target, item),
        *galleries(names, prediction, target, ids),
    ]


def per_class(names: Sequence[str], predicted: Tensor, true: Tensor, item: str = "images") -> Table:
    """Precision, recall and F1 of each class, with exact intervals.

    Args:
        names: Of the K classes.
        predicted: (N, K) bool.
        true: (N, K) bool.
        item: What an item is called, in the plural.
    """
    rows: list[list[Any]] = []
    for i, name in enumerate(names):
        a, b = predicted[:, i].bool(), true[:, i].bool()
        hit, n_said, n_true = int((a & b).sum()), int(a.sum()), int(b.sum())
        rows.append([name, n_true, n_said, _share(hit, n_said), _share(hit, n_true),
                     2 * hit / (n_said + n_true) if n_said + n_true else float("nan")])  # fmt: skip
    columns = ["class", item, "predicted", "precision", "recall", "F1"]
    return Table("Per class", columns, rows, "Precision and recall with exact 95 % intervals.")


def calibration_plot(prediction: ClassLabels, target: ClassLabels, item: str = "images") -> LinePlot:
    """Accuracy by confidence, with the share of the items at each."""
    assert prediction.scores is not None
    points = reliability(prediction.scores.double().numpy(), target.value.numpy())
    bars = f"share of {item}"
    share = {bars: [(p.confidence, p.count / len(target)) for p in points if p.count]}
    curve = [(p.confidence, p.accuracy) for p in points if p.count]
    return LinePlot("Reliability", "confidence", "accuracy", {"accuracy": curve, **share}, diagonal=True,
                 bars=bars,
                 note="On the diagonal, a confidence of 80 % is right in 80 % of cases.")  # fmt: skip


def galleries(
    names: Sequence[str], prediction: ClassLabels, target: ClassLabels, ids: Sequence[str]
) -> list[Figure]:
    """The most confident mistakes, and some right ones."""
    assert prediction.scores is not None
    sure = prediction.scores.max(1).values
    right = prediction.value == target.value
    items: list[Figure] = []
    for title, chosen in (("Most confident mistakes", ~right), ("Examples of right ones", right)):
        where = chosen.nonzero().flatten()
        if title.startswith("Most"):
            where = where[sure[where].argsort(descending=True, stable=True)][:MAX_SHOWN]
        else:
            where = where[torch.linspace(0, len(where) - 1, min(MAX_SHOWN, len(where))).long()]
        captions = [
            f"{names[int(prediction.value[i])]} {sure[i]:.0%}"
            + ("" if right[i] else f", is {names[int(target.value[i])]}")
            for i in where.tolist()
        ]
        note = "" if len(where) else "None on this split."
        items.append(PredictionGallery(title, [ids[i] for i in where.tolist()], captions, note))
    return items


def _share(hits: int, of: int) -> Any:
    if not of:
        return "-"
    low, high = intervals.exact(hits, of)
    return Score(hits / of, low, high, of, "exact binomial")
