"""Generated sequences with detections, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.targets.tracks import Tracks
from sightline.data.io.sequences import SequenceItem, Sequences


def moving(n: int, size: int, seed: int) -> Dataset:
    """n sequences of `Tracks.synthetic`; their detections are the boxes, moved by a part of a pixel."""
    targets: Any = Tracks.synthetic(n, size, seed).targets
    rng, items = np.random.default_rng(seed), []
    for i in range(n):
        part = targets[i]
        boxes = part.boxes.numpy() + rng.normal(0, size / 200, (len(part.ids), 4))
        scores, classes = rng.uniform(0.85, 1, len(boxes)), np.ones(len(boxes))
        rows = np.column_stack([part.frames.numpy(), boxes, scores, classes])
        items.append(SequenceItem(f"moving-{i:03d}", int(part.lengths[0]), 25.0, (size, size), rows, {}))
    names = [item.name for item in items]
    return Dataset("moving", "synthetic", names, Sequences(items), targets)
