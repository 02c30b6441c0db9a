"""HOTA and its parts: how well objects are detected, kept apart over time, and located."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.film_blocks import film_blocks
from sightline.metrics.functional.tracks import EPS, Overlaps, assign, overlaps
from sightline.metrics.functional.weighted import Array, Blocks, Weighted

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Least IoU of a match; each metric is the mean over these 19."""


class Hota(Weighted):
    """HOTA (higher order tracking accuracy): geometric mean of DetA and AssA, mean over 19 IoU thresholds.

    Boxes are matched in each frame so that tracks which overlap most over the whole sequence are preferred.

    Source: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 129, 2021.
    """

    card = MetricCard(
        name="HOTA",
        summary="detection and association of tracks, mean over IoU 0.05:0.95 (Luiten et al. 2021)",
        higher_is_better=True,
        best=1.0,
        target_types=("tracks",),
        least_units=5,
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """Of each sequence: {"matches", "association", "location": (N, 19), "targets", "predictions"}."""
        return evaluation.once("hota", lambda: _statistics(overlaps(evaluation)))

    def blocks(self, evaluation: Evaluation, length: int = 0) -> Blocks | None:
        """Of a single film."""
        return film_blocks("hota", evaluation, _statistics, length)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        sums = _Sums(stats, weights)
        return np.asarray(np.sqrt(sums.detection * sums.association).mean(1))


class DetA(Hota):
    """DetA: TP / (TP + FN + FP) of boxes, mean over 19 IoU thresholds.

    Source: Luiten et al., IJCV 129, 2021.
    """

    card = MetricCard("DetA", "detection part of HOTA", True, 1.0, ("tracks",), least_units=5)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(_Sums(stats, weights).detection.mean(1))


class AssA(Hota):
    """AssA: of each match the share of the boxes of both tracks in which they match, mean over all matches.

    Mean over 19 IoU thresholds.

    Source: Luiten et al., IJCV 129, 2021.
    """

    card = MetricCard("AssA", "association part of HOTA", True, 1.0, ("tracks",), least_units=5)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(_Sums(stats, weights).association.mean(1))


class LocA(Hota):
    """LocA: mean IoU of matches, mean over 19 IoU thresholds; 1 at a threshold without matches.

    Source: Luiten et al., IJCV 129, 2021.
    """

    card = MetricCard("LocA", "location part of HOTA: IoU of matches", True, 1.0, ("tracks",), least_units=5)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(_Sums(stats, weights).location.mean(1))


class _Sums:
    """(B, 19) parts under B weightings; nan where there is no box at all."""

    def __init__(self, stats: Statistics, weights: Array) -> None:
        matches = weights @ stats["matches"]
        boxes = (weights @ (stats["targets"] + stats["predictions"]))[:, None]
        empty = np.where(boxes > 0, 0.0, np.nan)
        self.detection = np.where(boxes > 0, matches / (boxes - matches), np.nan)
        self.association = _share(weights @ stats["association"], matches, 0.0) + empty
        self.location = _share(weights @ stats["location"], matches, 1.0) + empty


def _share(total: Array, matches: Array, otherwise: float) -> Array:
    return np.where(matches > 0, total / np.where(matches > 0, matches, 1), otherwise)


def _statistics(o: Overlaps) -> Statistics:
    tracks, count = o.tracks, len(ALPHAS)
    lengths = [np.bincount(side.track) for side in (o.target, o.prediction)]
    columns = max(1, len(lengths[1]))
    key, pair = np.unique(tracks[:, 0] * columns + tracks[:, 1], return_inverse=True)
    boxes = lengths[0][key // columns] + lengths[1][key % columns] if len(key) else np.zeros(0)
    # Each pair's share of what overlaps in its frame: soft counts of how often two tracks are together.
    totals = [np.bincount(side, o.iou) for side in (o.t, o.p)]
    soft = o.iou / (totals[0][o.t] + totals[1][o.p] - o.iou)
    together = np.bincount(pair, soft, minlength=len(key))
    alignment = together / (boxes - together)
    chosen = assign(o.moment, o.t, o.p, alignment[pair] * o.iou)
    iou, pair = o.iou[chosen], pair[chosen]
    part = o.target.part[o.t[chosen]]
    level = np.searchsorted(ALPHAS - EPS, iou, side="right")  # thresholds that are met

    def by_level(rows: Array, height: int, values: Array | None = None) -> Array:
        """(height, 19) sums over the matches that meet each threshold."""
        cells = np.bincount(rows * (count + 1) + level, values, minlength=height * (count + 1))
        return np.cumsum(cells.reshape(height, count + 1)[:, ::-1], 1)[:, ::-1][:, 1:]

    hits = by_level(pair, len(key))
    share = hits / np.maximum(1, boxes[:, None] - hits)
    cell, inside = np.unique(pair * o.parts + part, return_inverse=True)  # pairs of tracks in a part
    association = np.zeros((o.parts, count))
    np.add.at(association, cell % o.parts, by_level(inside, len(cell)) * share[cell // o.parts])
    return {
        "matches": by_level(part, o.parts).astype(float),
        "association": association,
        "location": by_level(part, o.parts, iou),
        "targets": np.bincount(o.target.part, minlength=o.parts).astype(float),
        "predictions": np.bincount(o.prediction.part, minlength=o.parts).astype(float),
    }


METRICS = {"hota": Hota, "deta": DetA, "assa": AssA, "loca": LocA}
