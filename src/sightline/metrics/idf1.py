"""IDF1: F1 of boxes of the right identity."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.film_blocks import film_blocks
from sightline.metrics.functional.tracks import MATCH, Overlaps, assign_tracks, overlaps
from sightline.metrics.functional.weighted import Array, Blocks, Weighted


class Idf1(Weighted):
    """F1 of boxes that overlap by IoU 0.5, under the best assignment of the tracks of each sequence.

    Source: Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking,
    ECCV Workshops 2016.
    """

    card = MetricCard(
        name="IDF1",
        summary="F1 of boxes of the right identity, at IoU 0.5 (Ristani et al. 2016)",
        higher_is_better=True,
        best=1.0,
        target_types=("tracks",),
        least_units=5,
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """Of each sequence (N,): {"IDTP", "boxes"}, the latter on both sides."""
        return evaluation.once("identity", lambda: _statistics(overlaps(evaluation)))

    def blocks(self, evaluation: Evaluation, length: int = 0) -> Blocks | None:
        """Of a single film."""
        return film_blocks("identity", evaluation, _statistics, length)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(2 * (weights @ stats["IDTP"]) / (weights @ stats["boxes"]))


def _statistics(o: Overlaps) -> Statistics:
    sure = o.at(o.iou >= MATCH)
    tracks = sure.tracks
    columns = int(o.prediction.count.sum()) + 1
    key, pair, counts = np.unique(
        tracks[:, 0] * columns + tracks[:, 1], return_inverse=True, return_counts=True
    )
    chosen = assign_tracks(key // columns, key % columns, counts.astype(float))
    right = np.bincount(o.target.part[sure.t[chosen[pair]]], minlength=o.parts)
    boxes = sum(np.bincount(side.part, minlength=o.parts) for side in (o.target, o.prediction))
    return {"IDTP": np.asarray(right, dtype=float), "boxes": np.asarray(boxes, dtype=float)}


METRIC = Idf1
