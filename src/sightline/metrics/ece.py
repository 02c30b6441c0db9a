"""ECE: how far stated confidence and actual share of right answers lie apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Stats
from sightline.metrics._weighted import Array, Weighted, array, probabilities


class Ece(Weighted):
    """Expected calibration error: mean over the bins of |share right - mean confidence|, by bin size.

    The confidence is the score of the predicted class. Where an image may have several labels, it
    is the probability of each label, and "right" is whether the image has it. The value is biased
    upwards by roughly sqrt(bins / N) / 4, because noise in each bin counts as error.

    Args:
        bins: Number of bins.
        mass: Bins that hold equally many images (equal confidences stay together) in place of bins
            of equal width, which are (0, 1/bins], (1/bins, 2/bins], ...

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """

    card = MetricCard(
        name="ECE",
        summary="mean gap of stated confidence and share right, over 15 bins of equal width",
        higher_is_better=False,
        best=0.0,
        truths=("label",),
    )
    scale = "share"

    def __init__(self, bins: int = 15, mass: bool = False) -> None:
        super().__init__()
        if bins < 1:
            raise ValueError(f"bins must be at least 1. Received {bins}.")
        self.bins, self.mass = bins, mass

    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """{"confidence", "right": (N, 1), or (N, K) where an image may have several labels}."""
        scores, label = probabilities(prediction), array(truth.value)
        if label.ndim == 2:
            return {"confidence": scores.astype(np.float64), "right": label.astype(np.float64)}
        named = array(prediction.value)
        own = np.take_along_axis(scores, named[:, None], 1)
        return {"confidence": own.astype(np.float64), "right": (named == label)[:, None].astype(np.float64)}

    def values(self, stats: Stats, weights: Array) -> Array:
        """See `Weighted.values`."""
        confidence, gap = stats["confidence"], stats["right"] - stats["confidence"]
        if self.mass:
            return _equal_mass(confidence, gap, weights, self.bins)
        n, k = confidence.shape
        by_bin = np.zeros((n, self.bins))
        np.add.at(by_bin, (np.arange(n)[:, None], bin_of(confidence, self.bins)), gap)
        return np.asarray(np.abs(weights @ by_bin).sum(1) / (k * weights.sum(1)))


def bin_of(confidence: Array, bins: int) -> Array:
    """Number of the bin of equal width, (0, 1/bins] being bin 0; 0 itself is in bin 0."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def _equal_mass(confidence: Array, gap: Array, weights: Array, bins: int) -> Array:
    k = confidence.shape[1]
    distinct, place = np.unique(confidence, return_inverse=True)
    place = place.ravel()
    values = np.empty(len(weights))
    for b, weight in enumerate(weights):
        each = np.repeat(weight, k)
        mass = np.bincount(place, each, len(distinct))
        middle = (np.cumsum(mass) - mass / 2) / mass.sum()
        where = np.minimum((middle * bins).astype(np.int64), bins - 1)
        gaps = np.bincount(where, np.bincount(place, each * gap.ravel(), len(distinct)), bins)
        values[b] = np.abs(gaps).sum() / mass.sum()
    return values


METRIC = Ece
