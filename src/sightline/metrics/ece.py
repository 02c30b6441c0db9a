"""ECE (expected calibration error): the difference between confidence and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, Weighted, array, probabilities


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
        summary="mean difference of confidence and accuracy, over 15 bins of equal width",
        higher_is_better=False,
        best=0.0,
        target_types=("label",),
    )
    scale = "share"

    def __init__(self, bins: int = 15, mass: bool = False) -> None:
        super().__init__()
        if bins < 1:
            raise ValueError(f"bins must be at least 1. Received {bins}.")
        self.bins, self.mass = bins, mass

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"confidence", "right": (N, 1), or (N, K) where an image may have several labels}."""
        scores, label = probabilities(prediction), array(target.value)
        if label.ndim == 2:
            return {"confidence": scores.astype(np.float64), "right": label.astype(np.float64)}
        named = array(prediction.value)
        confidence = np.take_along_axis(scores, named[:, None], 1)
        return {
            "confidence": confidence.astype(np.float64),
            "right": (named == label)[:, None].astype(np.float64),
        }

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        if self.mass:
            return np.array([self._by_mass(stats, w) for w in weights])
        by_bin = self._gaps(stats, bin_of(stats["confidence"], self.bins))
        return np.asarray(np.abs(weights @ by_bin).sum(1) / weights.sum(1))

    def interval(self, stats: Statistics, units: Array, level: float) -> tuple[float, float]:
        """Interval of the error without the noise, from the spread of each bin's gap.

        The value is the sum of the sizes of the gaps, each of which is the true gap and normal
        noise. The true gaps are taken to be c times those seen; the interval is all c for which the
        value seen is neither among the lowest nor the highest that noise makes, and the value
        itself. Its coverage is 92 to 98 % from 1,000 images on and 90 to 100 % with fewer
        (benchmarks/coverage.py). Resampling covers 2 to 85 %, because every resample adds noise.
        """
        where = bin_of(stats["confidence"], self.bins)
        if self.mass:
            where = _mass_bins(stats["confidence"], np.ones(len(where)), self.bins)
        n, by_bin = len(units), self._gaps(stats, where)
        gaps = by_bin.mean(0)
        per_unit = np.stack([np.bincount(units, column) for column in by_bin.T], 1)
        observed = (per_unit**2).sum(0) / n**2 - gaps**2 / len(per_unit)
        # A bin in which all are right shows no spread; what it states allows some.
        p = stats["confidence"]
        stated = np.bincount(where.ravel(), (p * (1 - p)).ravel(), self.bins) / (n * p.shape[1]) ** 2
        return _undo_noise(gaps, np.sqrt(np.maximum(observed, stated)), level)

    def _gaps(self, stats: Statistics, where: Array) -> Array:
        """(N, bins) right minus confidence of each image in its bin, over the labels of an image."""
        gap = (stats["right"] - stats["confidence"]) / where.shape[1]
        by_bin = np.zeros((len(gap), self.bins))
        np.add.at(by_bin, (np.arange(len(gap))[:, None], where), gap)
        return by_bin

    def _by_mass(self, stats: Statistics, weight: Array) -> float:
        by_bin = self._gaps(stats, _mass_bins(stats["confidence"], weight, self.bins))
        return float(np.abs(weight @ by_bin).sum() / weight.sum())


def bin_of(confidence: Array, bins: int) -> Array:
    """Number of the bin of equal width, (0, 1/bins] being bin 0; 0 itself is in bin 0."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def _mass_bins(confidence: Array, weight: Array, bins: int) -> Array:
    """(N, K) number of the bin of equal weight; equal confidences stay together."""
    distinct, place = np.unique(confidence, return_inverse=True)
    mass = np.bincount(place.ravel(), np.repeat(weight, confidence.shape[1]), len(distinct))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    where = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return np.asarray(where[place.ravel()].reshape(confidence.shape))


def _undo_noise(gaps: Array, errors: Array, level: float) -> tuple[float, float]:
    """Interval of the sum of |true gap| from gaps with normal errors; see `Ece.interval`."""
    value, spread = float(np.abs(gaps).sum()), float(np.sqrt((errors**2).sum()))
    if value == 0:
        return 0.0, 0.0 if spread == 0 else float(norm.ppf((1 + level) / 2)) * spread
    noise = np.random.default_rng(0).normal(size=(1000, len(gaps))) * errors
    share = np.linspace(0, 1 + 4 * spread / value, 40)
    sums = np.stack([np.abs(c * gaps + noise).sum(1) for c in share])
    ends = np.quantile(sums, [(1 - level) / 2, (1 + level) / 2], axis=1)
    least, most = np.maximum.accumulate(ends, axis=1)
    low = float(np.interp(value, most, share, left=0.0)) * value
    high = float(np.interp(value, least, share, left=0.0)) * value
    return low, high


METRIC = Ece
