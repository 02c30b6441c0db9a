"""Baselines of tracking: no association, and association without a motion model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.targets.tracks import Tracks
from sightline.core.task import Baseline
from sightline.runtime.track.association import iou, pairs

MIN_IOU = 0.3


def baselines() -> list[Baseline]:
    """The baselines."""
    return [
        Baseline(
            "unique",
            "each detection is an object of its own",
            _nothing,
            uses_images=False,
            answer=lambda state, sequences: _tracks(sequences, _unique),
        ),
        Baseline(
            "overlap",
            f"each detection continues the one of the last frame that it overlaps most (IoU from {MIN_IOU})",
            _nothing,
            uses_images=False,
            answer=lambda state, sequences: _tracks(sequences, _chained),
        ),
    ]


def _nothing(images: Any, target: Any) -> dict[str, Any]:
    """Nothing is learned."""
    del images, target
    return {}


def _tracks(sequences: np.ndarray, identities: Any) -> Tracks:
    """Tracks of sequences (N, 1 + R, 7), as the kind of input stacks them."""
    rows, heads = [], sequences[:, 0].tolist()
    for sequence in sequences.astype(np.float64):
        part = sequence[1:][sequence[1:, 0] > 0]
        rows.append(np.column_stack([part[:, 0], identities(part), part[:, 1:6], np.full(len(part), -1)]))
    sizes = [(int(height), int(width)) for _, _, height, width, *_ in heads]
    return Tracks.of(rows, sizes, [int(head[0]) for head in heads], [head[1] for head in heads])


def _unique(part: np.ndarray) -> np.ndarray:
    return np.arange(1, len(part) + 1)


def _chained(part: np.ndarray) -> np.ndarray:
    """(M,) identities of detections (M, 7) sorted by frame."""
    ids = np.zeros(len(part), dtype=np.int64)
    before = np.zeros(0, dtype=np.int64)
    for frame in np.unique(part[:, 0]):
        here = np.flatnonzero(part[:, 0] == frame)
        last = before[part[before, 0] == frame - 1]
        overlap = iou(part[last, 1:5], part[here, 1:5])
        rows, columns = pairs(overlap, overlap >= MIN_IOU)
        ids[here[columns]] = ids[last[rows]]
        new = here[ids[here] == 0]
        ids[new] = ids.max(initial=0) + 1 + np.arange(len(new))
        before = here
    return ids
