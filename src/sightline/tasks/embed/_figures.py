"""Report items of verification: scores of pairs, the ROC curve, what the threshold does, the worst pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sightline.core.report import Figure, LinePlot, PredictionGallery, Table
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.metrics import intervals
from sightline.metrics.functional.pairs import STEPS, Counts, Pairs, all_pairs, true_accepts
from sightline.tasks.embed._identities import Pair, closest_impostors, farthest_genuine
from sightline.tasks.embed._scores import Accepted

BINS = 40
PAIRS = 6
"""Worst pairs of each kind that are shown."""


def figures(
    prediction: Vector, target: ClassLabels, ids: Sequence[str], settings: Mapping[str, Any], far: float
) -> list[Figure]:
    """All of them; fewer where there are no pairs of one kind."""
    vectors, identity = prediction.embedding.float().numpy(), target.value.numpy()
    pairs = all_pairs(vectors, identity)
    items: list[Figure] = []
    if len(pairs.genuine) and len(pairs.impostor):
        items += [_distributions(pairs, settings.get("threshold")), _roc(pairs)]
    if settings.get("threshold") is not None:
        items.append(_at_threshold(prediction, target, settings["threshold"], settings.get("far", far)))
    title = "Closest images of two identities"
    note = "Two of a pair stand side by side. The same person or thing under two names would be here."
    items.append(_gallery(title, closest_impostors(vectors, identity, PAIRS), ids, note))
    title = "Farthest images of one identity"
    note = "Two of a pair stand side by side. An image in the wrong folder would be here."
    return [*items, _gallery(title, farthest_genuine(vectors, identity, PAIRS), ids, note)]


def _distributions(pairs: Pairs, threshold: float | None) -> LinePlot:
    """Shares of pairs by cosine."""
    low = min(pairs.genuine[0], pairs.impostor[0]) / STEPS
    edges = np.linspace(low, max(pairs.genuine[-1], pairs.impostor[-1]) / STEPS + 1e-6, BINS + 1)
    series = {}
    for name, levels in (("genuine pairs", pairs.genuine), ("impostor pairs", pairs.impostor)):
        shares = np.histogram(levels / STEPS, edges)[0] / len(levels)
        middles = (edges[1:] + edges[:-1]) / 2
        series[name] = list(zip(middles.tolist(), shares.tolist(), strict=True))
    counts = f"{len(pairs.genuine):,} genuine pairs (one identity), {len(pairs.impostor):,} impostor pairs"
    note = f"{counts} (two)."
    if threshold is not None:
        top = max(y for points in series.values() for _, y in points)
        series["threshold"] = [(threshold, 0.0), (threshold, top)]
    return LinePlot("Scores of pairs", "cosine", "share of pairs", series, note=note)


def _roc(pairs: Pairs) -> LinePlot:
    """TAR by FAR, on a logarithmic axis."""
    genuine, impostor = (Counts(levels, levels[:0]) for levels in (pairs.genuine, pairs.impostor))
    powers = np.linspace(-np.log10(len(impostor)), 0, 80)
    curve = [(float(p), true_accepts(genuine, impostor, float(10**p))) for p in powers]
    note = "To the left of -2, fewer than 1 in 100 impostor pairs are accepted."
    return LinePlot(
        "ROC: true accepts by false accepts", "log10 of the false accept rate", "true accept rate",
        {"network": curve},
        note=note,
    )  # fmt: skip


def _at_threshold(prediction: Vector, target: ClassLabels, threshold: float, far: float) -> Table:
    """What the threshold of validation does here, with intervals over identities."""
    rows = []
    for name, genuine in (("false accept rate", False), ("true accept rate", True)):
        metric = Accepted(threshold, genuine)
        metric.update(prediction, target)
        rows.append([name, intervals.score(metric, metric.stats).text(percent=True)])
    note = (
        f"The threshold, a cosine of {threshold:.3f}, was fitted on validation identities for a false "
        "accept rate "
        f"of {far:.3g}."
    )
    return Table("At the threshold", ["what", "rate"], rows, note)


def _gallery(title: str, pairs: Sequence[Pair], ids: Sequence[str], note: str) -> PredictionGallery:
    """Both images of each pair, one after the other."""
    shown, captions = [], []
    for number, pair in enumerate(pairs, 1):
        for i in (pair.first, pair.second):
            shown.append(ids[i])
            captions.append(f"pair {number}, cosine {pair.cosine:.2f}")
    return PredictionGallery(title, shown, captions, note if pairs else "There is no such pair.")
