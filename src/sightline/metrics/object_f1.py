"""Object F1 50-95: F1 of matched objects, mean over ten mask IoU thresholds."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.objects import tallies
from sightline.metrics.functional.weighted import Array, Weighted


class ObjectF1(Weighted):
    """Mean over ten IoU thresholds, 0.50 to 0.95, of 2 TP / (2 TP + FP + FN) over the objects of all images.

    Each object finds at most one of its own class, and all classes are counted together. Objects said
    with a confidence of at least 0.5 count, all if they have none. Crowds and difficult objects, and what
    finds them, are left out.

    Source: Caicedo et al., Evaluation of deep learning strategies for nucleus segmentation in fluorescence
    images, Cytometry A 95, 2019, with the thresholds of COCO.

    """

    card = MetricCard(
        name="object F1 50-95",
        summary="F1 of objects with a confidence of 0.5 or more over all images, mean over IoU 0.5:0.95",
        higher_is_better=True,
        best=1.0,
        target_types=("outlines",),
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "wrong": (N, 10), "objects": (N,)}; see `objects.tallies`."""
        return tallies(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, wrong = weights @ stats["right"], weights @ stats["wrong"]
        objects = (weights @ stats["objects"])[:, None]
        return np.asarray((2 * right / (right + wrong + objects)).mean(1))


METRIC = ObjectF1
