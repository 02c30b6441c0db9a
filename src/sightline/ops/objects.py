"""What can be said of the objects in images, whether they are boxes or masks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.targets.instances import Instances


def captions(targets: Instances, names: Sequence[str]) -> list[str]:
    """How many of each class are in each image, in words."""
    found = []
    for i in range(len(targets)):
        counts = torch.bincount(targets[i].labels, minlength=len(names)).tolist()
        said = [f"{count} {name}" for name, count in zip(names, counts, strict=True) if count]
        found.append(", ".join(said) or "nothing")
    return found


def rows(prediction: Instances, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row an image: number of objects, how many of each class, and the highest confidence."""
    starts = [0, *prediction.counts.cumsum(0).tolist()]
    scores = prediction.scores if prediction.scores is not None else torch.ones(len(prediction.labels))
    best = [round(float(scores[a:b].max()), 6) if b > a else 0.0 for a, b in itertools.pairwise(starts)]
    words = zip(prediction.counts.tolist(), captions(prediction, names), best, strict=True)
    return [{"objects": n, "found": found, "highest confidence": top} for n, found, top in words]


def rarest(targets: Instances) -> NDArray[np.int64]:
    """(N,) the rarest class in each image; -1 for images without objects."""
    classes = int(targets.labels.max()) + 1 if len(targets.labels) else 1
    there = targets.present(classes).numpy()
    rarity = np.where(there, there.sum(0), np.iinfo(np.int64).max)
    return np.where(there.any(1), rarity.argmin(1), -1)
