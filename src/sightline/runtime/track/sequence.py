"""Tracking of a whole sequence whose detections are given, and filling of gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import RATE, TrackSettings
from .kalman import Floats
from .scores import in_unit, ranks

Wishes = dict[str, Any]
"""Fields of `TrackSettings` that were asked for; None for those of the method."""


def wished(defaults: TrackSettings, wishes: Wishes, by_rank: bool) -> TrackSettings:
    """Settings of a method for scores, or for ranks, with what was asked for."""
    settings = defaults.by_rank() if by_rank else defaults
    return replace(settings, **{name: value for name, value in wishes.items() if value is not None})


def track(kind: type[Any], wishes: Wishes, detections: Floats, length: int, rate: float) -> Floats:
    """Tracks of a sequence.

    Scores that do not lie in [0, 1] are replaced by their ranks in the sequence.

    Args:
        kind: A subclass of `Tracker`.
        wishes: See `Wishes`.
        detections: (M, 7) frame from 1, x1, y1, x2, y2, score, class; sorted by frame.
        length: Frames.
        rate: Frames a second; nan where unknown.

    Returns:
        (T, 8) frame, identity, x1, y1, x2, y2, score as given, class by vote (-1 where none is given).
    """
    by_rank = not in_unit(detections[:, 5])
    scores = ranks(detections[:, 5]) if by_rank else detections[:, 5]
    tracker = kind(wished(kind.defaults, wishes, by_rank), rate if rate > 0 else RATE)
    numbers = np.arange(1, length + 2)
    starts = np.searchsorted(detections[:, 0], numbers)
    rows = []
    for frame, first, last in zip(numbers[:-1].tolist(), starts[:-1], starts[1:], strict=True):
        part = detections[first:last]
        ids = tracker.update(part[:, 1:5], scores[first:last])
        tracked = ids > 0
        rows.append(np.column_stack([np.full(tracked.sum(), frame), ids[tracked], part[tracked, 1:]]))
    return _with_votes(np.concatenate(rows) if rows else np.zeros((0, 8)))


def _with_votes(rows: Floats) -> Floats:
    """The rows with the class that most boxes of each track have."""
    for identity in np.unique(rows[:, 1]):
        mine = rows[:, 1] == identity
        values, counts = np.unique(rows[mine, 7], return_counts=True)
        rows[mine, 7] = values[counts.argmax()]
    return rows


def filled(rows: Floats, most: int) -> Floats:
    """Tracks (T, 8) with gaps of up to so many frames filled along straight lines, sorted by frame."""
    order = np.lexsort([rows[:, 0], rows[:, 1]])
    ordered = rows[order]
    before, after = ordered[:-1], ordered[1:]
    gaps: NDArray[np.int64] = (after[:, 0] - before[:, 0]).astype(np.int64)
    wide = (before[:, 1] == after[:, 1]) & (gaps > 1) & (gaps <= most + 1)
    parts = [ordered]
    for first, last, gap in zip(before[wide], after[wide], gaps[wide].tolist(), strict=True):
        steps = np.arange(1, gap)
        share = steps[:, None] / gap
        between = (1 - share) * first + share * last
        between[:, 0], between[:, [1, 7]] = first[0] + steps, first[[1, 7]]  # whole numbers stay exact
        parts.append(between)
    joined = np.concatenate(parts)
    return joined[np.argsort(joined[:, 0], kind="stable")]
