"""Intervals: what a score is worth, given how many independent images stand behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import beta

from sightline.core.metric import Metric, Stats
from sightline.core.report import Score
from sightline.metrics._weighted import Weighted, size

Array = np.ndarray

_CHUNK = 2**19  # weights held at once, 4 MB: small enough for the cache


def score(
    metric: Metric,
    stats: Stats,
    *,
    groups: Array | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """A metric with its interval.

    Args:
        metric: What is measured.
        stats: What its `per_image` gave, for all N images.
        groups: (N,) names of the groups that images belong to. Whole groups are drawn then, because
            images of one group are not independent.
        level: Share of test sets whose interval holds the true value.
        resamples: Bootstrap replicates.
        seed: Seed of the draws.

    Returns:
        The score; `n` counts the independent units, `method` names how the interval was made.
    """
    n = size(stats)
    if n == 0:
        return Score(math.nan, math.nan, math.nan, 0, "no images")
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    value, count = metric.value(stats), int(units.max()) + 1
    if metric.card.binomial and count == n:
        low, high = exact(round(value * n), n, level)
        return Score(value, low, high, n, "exact binomial")
    draws = replicates(metric, stats, units, resamples, seed)
    draws = draws[np.isfinite(draws)]
    if not len(draws) or count < 2:
        return Score(value, math.nan, math.nan, count, "not defined for one unit")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Score(value, float(low), float(high), count, "bootstrap")


def exact(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share.

    Args:
        right: Successes.
        n: Trials, at least 1.
        level: Confidence level; the actual coverage is never below it.

    Source: Clopper & Pearson, The use of confidence or fiducial limits, Biometrika 26, 1934.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, right, n - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - tail, right + 1, n - right)) if right < n else 1.0
    return low, high


def replicates(metric: Metric, stats: Stats, units: Array, resamples: int, seed: int) -> Array:
    """(resamples,) values of the metric, each over as many units as there are, drawn with return.

    Args:
        metric: What is measured.
        stats: What its `per_image` gave, for all N images.
        units: (N,) number of the unit (image or group) that each image belongs to.
        resamples: How many.
        seed: Seed of the draws; the same for two metrics means the same draws.
    """
    return np.concatenate([under(metric, stats, w[:, units]) for w in draws_of(units, resamples, seed)])


def draws_of(units: Array, resamples: int, seed: int) -> Iterator[Array]:
    """Chunks (b, U) of how often each unit is drawn, `resamples` rows in all."""
    rng, count = np.random.default_rng(seed), int(units.max()) + 1
    step = max(1, _CHUNK // max(len(units), count))
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        drawn = rng.integers(0, count, (b, count)) + np.arange(b)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=b * count).reshape(b, count).astype(np.float64)


def under(metric: Metric, stats: Stats, weights: Array) -> Array:
    """(B,) values of any metric under each of (B, N) weightings."""
    if not isinstance(metric, Weighted):
        return np.array([metric.value(stats, w) for w in weights])
    with np.errstate(divide="ignore", invalid="ignore"):
        return metric.values(stats, weights)
