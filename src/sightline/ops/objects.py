"""Statistics of the objects in images, for boxes and masks alike."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.targets.instances import Instances

JUDGED = 100
"""Detections of one class in one image that COCO's average precision looks at."""


def crowded(targets: Instances) -> tuple[NDArray[np.bool_], float]:
    """Images with more than `JUDGED` objects of one class, and the average precision that remains possible.

    Crowds and difficult objects do not count.

    Returns:
        (N,) bool, and the average precision of a perfect answer: 1.0 where there is no such image.

    Source: the recalls 0, 0.01 ... 1 of Lin et al., Microsoft COCO, ECCV 2014.
    """
    apart = torch.zeros(len(targets.labels), dtype=torch.bool)
    for flag in (targets.crowd, targets.difficult):
        apart |= False if flag is None else flag
    keep = (~apart & (targets.labels >= 0)).numpy()
    classes = int(targets.labels.max()) + 1 if len(targets.labels) else 1
    cell = targets.image.numpy()[keep] * classes + targets.labels.numpy()[keep]
    cells, each = np.unique(
        cell, return_counts=True
    )  # images times classes would not fit where both are many
    objects = np.bincount(cells % classes, each, classes).astype(np.int64)
    judged = np.bincount(cells % classes, np.minimum(each, JUDGED), classes).astype(np.int64)
    has_objects = objects > 0
    precision = (100 * judged[has_objects] // objects[has_objects] + 1) / 101
    many = np.zeros(len(targets), dtype=bool)
    many[cells[each > JUDGED] // classes] = True
    return many, float(precision.mean()) if has_objects.any() else 1.0
