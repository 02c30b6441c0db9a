"""Pixel accuracy: the share of all pixels with the correct class."""

from __future__ import annotations

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.pixels import regions, sums
from sightline.metrics.functional.weighted import Array, Weighted


class PixelAccuracy(Weighted):
    """Share of the pixels of all images whose class is right; void pixels are left out.

    Large classes rule it: where most of an image is ground, saying ground everywhere scores high.

    Source: Long et al., Fully convolutional networks for semantic segmentation, CVPR 2015, section 5.
    """

    card = MetricCard(
        name="pixel accuracy",
        summary="share of the pixels of all images that are right",
        higher_is_better=True,
        best=1.0,
        target_types=("masks",),
        percent=True,
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "target", "predicted": (N, 255)}; see `pixels.regions`."""
        return regions(evaluation)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, target, _ = sums(stats, weights)
        return np.asarray(right.sum(1) / target.sum(1))


METRIC = PixelAccuracy
