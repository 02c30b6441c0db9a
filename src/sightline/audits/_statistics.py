"""Statistics that several checks share: shares, differences of independent scores, AUROC."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import hypergeom, norm, t

from sightline.core.report import Score
from sightline.metrics import intervals
from sightline.metrics.auroc import Auroc

Array = np.ndarray


def share(hits: int, n: int, level: float = 0.95) -> Score:
    """A share of n independent images with its exact interval; nan without images."""
    if n == 0:
        return Score(math.nan, math.nan, math.nan, 0, "no images")
    low, high = intervals.exact(hits, n, level)
    return Score(hits / n, low, high, n, "exact binomial (mid-P)")


def ratio(counts: Array, of: Array, groups: Array | None = None) -> Score:
    """Sum of (N,) counts over the sum of (N,) others, of the same images; its interval leaves out images, or
    groups of them. n is the second sum."""
    units = intervals.units_of({"of": of}, groups)

    def values(weights: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ counts) / (weights @ of))

    value, n = float(values(np.ones((1, len(of))))[0]), int(of.sum())
    error, blocks = intervals.jackknife(values, units)
    if not math.isfinite(value) or not math.isfinite(error):
        return Score(value, math.nan, math.nan, n, "jackknife: not defined")
    half = float(t.ppf(0.975, blocks - 1)) * error
    return Score(value, max(0.0, value - half), value + half, n, "jackknife over images")


def difference(a: Score, b: Score) -> Score:
    """a minus b for scores of different images, with an interval from theirs; n is that of a.

    Source: Zou & Donner, Construction of confidence limits about effect measures: a general approach,
    Statistics in Medicine 27, 2008 (MOVER).
    """
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return Score(value, low, high, a.n, "MOVER")


def p_value(gap: Score, level: float = 0.95) -> float:
    """Two-sided p of a difference, from the end of its interval that is nearer to 0."""
    half = gap.value - gap.low if gap.value > 0 else gap.high - gap.value
    if not half > 0 or math.isnan(gap.value):
        return math.nan
    return float(2 * norm.sf(abs(gap.value) / half * norm.ppf((1 + level) / 2)))


def fisher(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Two-sided mid-p of two independent shares, exact.

    Source: Agresti, Categorical data analysis, 3rd edition, section 3.5 (mid-p of Fisher's test).
    """
    law = hypergeom(n + other_n, hits + other_hits, n)
    low, high = law.support()
    mass = law.pmf(np.arange(low, high + 1))
    here = law.pmf(hits)
    less = mass[mass < here * (1 - 1e-9)].sum()
    same = mass[np.abs(mass - here) <= here * 1e-9].sum()
    return float(min(1.0, less + same / 2))


def auroc(positive: Array, negative: Array) -> Score:
    """Chance that a positive item scores higher than a negative one, ties by half, with its interval."""
    scores = np.concatenate([positive, negative]).astype(np.float64)[:, None]
    target = np.concatenate([np.ones(len(positive), bool), np.zeros(len(negative), bool)])[:, None]
    if not np.isfinite(scores).all() or not len(positive) or not len(negative):
        return Score(math.nan, math.nan, math.nan, len(scores), "not defined")
    return intervals.score(Auroc(), {"scores": scores, "target": target})
