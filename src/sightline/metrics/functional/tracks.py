"""Matching of tracks: which predicted boxes lie on which annotated boxes, over whole sequences.

All sequences are handled at once, as pairs of boxes of one frame that overlap. The results are those of
TrackEval (Luiten et al., github.com/JonathonLuiten/TrackEval), whose definitions the metrics follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sightline.core.metric import Evaluation
from sightline.core.targets.tracks import DISTRACTOR
from sightline.metrics.functional.weighted import Array, array

EPS = float(np.finfo(np.float64).eps)
MATCH = 0.5
"""IoU from which on a box is the same as another, in CLEAR and identity metrics."""
_BLOCK = 1 << 21
"""Pairs of boxes that are compared at a time."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of all sequences, sorted by sequence and frame.

    Attributes:
        moment: (M,) number of the frame of each box among all frames of all sequences.
        sequence: (M,) index of the sequence.
        track: (M,) number of the track among all tracks of all sequences.
        count: Tracks of each sequence, (N,).
        row: (M,) index of the box among all boxes of its side, also those that are not scored.
        part: (M,) what it is counted for: its sequence, or a block of frames.
    """

    moment: Array
    sequence: Array
    track: Array
    count: Array
    row: Array
    part: Array


@dataclass(frozen=True)
class Overlaps:
    """Pairs of an annotated and a predicted box of one frame that overlap, sorted by frame.

    Attributes:
        parts: N sequences, or blocks of frames of one; see `film_blocks`.
        target: Annotated boxes that are scored.
        prediction: Predicted boxes that are scored.
        t: (P,) annotated box of each pair.
        p: (P,) predicted box of each pair.
        iou: (P,) intersection over union, above 0.
    """

    parts: int
    target: Boxes
    prediction: Boxes
    t: Array
    p: Array
    iou: Array

    @property
    def moment(self) -> Array:
        """(P,) frame of each pair."""
        return np.asarray(self.target.moment[self.t])

    @property
    def tracks(self) -> Array:
        """(P, 2) annotated and predicted track of each pair."""
        return np.stack([self.target.track[self.t], self.prediction.track[self.p]], 1)

    def at(self, rows: Array) -> Overlaps:
        """Some of the pairs."""
        return replace(self, t=self.t[rows], p=self.p[rows], iou=self.iou[rows])


def overlaps(evaluation: Evaluation) -> Overlaps:
    """Overlapping pairs of the boxes that are scored; computed once for all metrics.

    Of the annotations, flag 0 and classes that are set aside do not count. Predictions whose best match is a
    distractor do not count either. Boxes of different classes do not overlap; a box without a class fits all.

    Raises:
        ValueError: If there are not as many sequences on both sides.
    """
    return evaluation.once("tracks", lambda: _overlaps(evaluation.prediction, evaluation.target))


def _overlaps(prediction: Any, target: Any) -> Overlaps:
    if len(prediction) != len(target):
        raise ValueError(f"{len(target)} sequences need as many predictions. Received {len(prediction)}.")
    moments = [_moments(tracks, prediction, target) for tracks in (target, prediction)]
    boxes = [array(tracks.boxes) for tracks in (target, prediction)]
    t, p, iou = _pairs(moments, boxes)
    stays = [array(target.scored()), np.ones(len(boxes[1]), dtype=bool)]
    if target.roles is not None:
        distracting = array(target.roles) == DISTRACTOR
        sure = iou >= MATCH - EPS
        chosen = assign(moments[0][t[sure]], t[sure], p[sure], iou[sure])
        stays[1][p[sure][chosen & distracting[t[sure]]]] = False
    keep = stays[0][t] & stays[1][p] & _alike(array(target.labels)[t], array(prediction.labels)[p])
    number = [np.cumsum(mask) - 1 for mask in stays]
    annotated, predicted = (_boxes(*side) for side in zip((target, prediction), moments, stays, strict=True))
    return Overlaps(len(target), annotated, predicted, number[0][t[keep]], number[1][p[keep]], iou[keep])


def _moments(tracks: Any, prediction: Any, target: Any) -> Array:
    """(M,) number of the frame of each box, counted through all sequences."""
    frames = (array(prediction.frames), array(target.frames))
    span = 1 + max(int(part.max(initial=0)) for part in frames)
    return np.asarray(array(tracks.sequence) * span + array(tracks.frames))


def _alike(a: Array, b: Array) -> Array:
    return np.asarray((a == b) | (a < 0) | (b < 0))


def _boxes(tracks: Any, moment: Array, keep: Array) -> Boxes:
    sequence, ids = array(tracks.sequence)[keep], array(tracks.ids)[keep]
    low = int(ids.min(initial=0))
    span = int(ids.max(initial=0)) - low + 1
    first, track = np.unique(sequence * span + (ids - low), return_inverse=True)
    count = np.bincount(first // span, minlength=len(tracks))
    return Boxes(moment[keep], sequence, track, count, np.flatnonzero(keep), part=sequence)


def _pairs(moments: list[Array], boxes: list[Array]) -> tuple[Array, Array, Array]:
    """Boxes of one frame that overlap: (P,) annotated, (P,) predicted, (P,) IoU."""
    start, end = (np.searchsorted(moments[1], moments[0], side) for side in ("left", "right"))
    counts = end - start
    ends = np.cumsum(counts)
    sides = [np.ascontiguousarray(part.T) for part in boxes]
    parts = [(np.empty(0, int), np.empty(0, int), np.empty(0))]
    row = 0
    while row < len(counts):  # as many rows as make up a block
        before = ends[row] - counts[row]
        stop = max(row + 1, int(np.searchsorted(ends, before + _BLOCK, "right")))
        here = counts[row:stop]
        t = np.repeat(np.arange(row, stop), here)
        p = np.arange(len(t)) + np.repeat(start[row:stop] - (ends[row:stop] - here - before), here)
        parts.append(_overlapping(t, p, *sides))
        row = stop
    t, p, iou = (np.concatenate(values) for values in zip(*parts, strict=True))
    return t, p, iou


def _overlapping(t: Array, p: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The pairs whose boxes, of (4, M), overlap, and their IoU; a box without area overlaps nothing."""
    inside = np.ones(len(t))
    for low, high in ((0, 2), (1, 3)):
        length = np.minimum(a[high][t], b[high][p]) - np.maximum(a[low][t], b[low][p])
        some = np.flatnonzero(length > 0)
        t, p, inside = t[some], p[some], inside[some] * length[some]
    areas = [((box[2] - box[0]) * (box[3] - box[1]))[k] for box, k in ((a, t), (b, p))]
    union = areas[0] + areas[1] - inside
    valid = (areas[0] > EPS) & (areas[1] > EPS) & (union > EPS)
    t, p, inside, union = t[valid], p[valid], inside[valid], union[valid]
    return t, p, inside / union


def assign(group: Array, a: Array, b: Array, score: Array) -> Array:
    """Choose pairs of the highest total score in each group, each a and each b in one pair at most.

    Args:
        group: (P,) group of each pair, rising; no a or b is in two groups.
        a: (P,) first of each pair.
        b: (P,) second of each pair.
        score: (P,) above 0.

    Returns:
        (P,) bool.
    """
    chosen = alone(a, b)
    rest = np.flatnonzero(~chosen)
    for rows in np.split(rest, np.flatnonzero(np.diff(group[rest])) + 1) if len(rest) else ():
        chosen[rows[best_pairs(a[rows], b[rows], score[rows])]] = True
    return chosen


def alone(a: Array, b: Array) -> Array:
    """(P,) bool: pairs whose both ends are in no other pair."""
    return np.asarray((np.bincount(a)[a] == 1) & (np.bincount(b)[b] == 1)) if len(a) else np.zeros(0, bool)


def best_pairs(a: Array, b: Array, score: Array) -> Array:
    """Indices of the pairs of the highest total score, by the Hungarian algorithm."""
    i, j = _packed(a), _packed(b)
    matrix, number = np.zeros((i.max() + 1, j.max() + 1)), np.full((i.max() + 1, j.max() + 1), -1)
    matrix[i, j], number[i, j] = score, np.arange(len(a))
    pairs = number[linear_sum_assignment(matrix, maximize=True)]
    return np.asarray(pairs[pairs >= 0])


def _packed(numbers: Array) -> Array:
    """Numbers from 0 in place of these, nearly without gaps."""
    low = numbers - numbers.min()
    return low if low.max() < 2 * len(low) else np.unique(numbers, return_inverse=True)[1]


def assign_tracks(a: Array, b: Array, score: Array) -> Array:
    """As `assign`, of all pairs of tracks; those that compete with each other make up the groups."""
    if not len(a):
        return np.zeros(0, dtype=bool)
    (first, i), (second, j) = (np.unique(side, return_inverse=True) for side in (a, b))
    nodes = len(first) + len(second)
    graph = coo_array((np.ones(len(a)), (i, len(first) + j)), shape=(nodes, nodes))
    group = connected_components(graph, directed=False)[1][i]
    order = np.argsort(group, kind="stable")
    chosen = np.zeros(len(a), dtype=bool)
    chosen[order] = assign(group[order], i[order], j[order], score[order])
    return chosen
