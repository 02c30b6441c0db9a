"""Confidence intervals: the uncertainty of a score, given the number of independent images.

The method for each kind of metric was chosen by simulation (benchmarks/coverage.py): the plain
percentile bootstrap covers too little where a class has few images (89 % for average precision on
200 images of 10 classes) and BCa not much better, so the standard error comes from the jackknife
and the interval is made on a scale that suits the range of the metric. Average precision is too high on few
images; what that is, is told from half of them and taken off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, norm, t

from sightline.core.card import MetricCard
from sightline.core.metric import UNIT, Metric, Statistics
from sightline.core.report import Score
from sightline.metrics.functional.weighted import Blocks, Weighted, size

Array = np.ndarray
Values = Callable[[Array], Array]

_CHUNK = 2**19  # weights held at once, 4 MB: small enough for the cache
_MAX_LOGIT = math.log(1e6)  # a loss that may be a million times as large or small is not known at all
_HALVES = 20  # times that images are parted in two
_SHARE = 1 / (2**0.7 - 1)  # of the step from all images to half of them
_UNPAIRED_BLOCKS = 20  # each is a whole evaluation, with the covariance of many features
_PLURALS = {"sequence": "sequences", "case": "cases", "pair": "pairs", "identity": "identities"}
_BLOCKS = 250  # most values the jackknife takes; more do not make its error estimate much steadier


def score(
    metric: Metric, stats: Statistics, *, groups: Array | None = None, level: float = 0.95, seed: int = 0
) -> Score:
    """Value of a metric with its interval.

    A share of right images gets the exact binomial interval (mid-P), if images are independent.
    Other metrics get their standard error from the jackknife over images, or over groups, in at
    most 250 random blocks. A value in [0, 1] then has the Clopper-Pearson interval at its
    effective sample size, which is the number of images whose plain share would have that error; a
    loss or an error has Student's interval on the logarithmic scale; any other, on the plain scale.
    A metric whose card names another unit than the image is left out unit by unit; an unpaired one, by blocks
    of its predictions and of its targets.
    A metric that noise biases may bring an interval of its own (`Ece`); from one that `rises` on few images,
    as average precision, the interval takes that off, and the value stays as everybody computes it.

    Args:
        metric: What is measured.
        stats: What its `sample_statistics` gave, for all N images.
        groups: (N,) names of the groups that images belong to. Images of one group are not
            independent, so that the groups are counted in place of the images.
        level: Share of test sets whose interval holds the true value.
        seed: Seed of the blocks.

    Returns:
        The score; `n` counts the independent units, `method` names how the interval was made. Its
        ends are nan where the images do not tell: a single one, all alike for a metric that is not a
        share, or one so far off that a loss could be a million times as large.

    Source: Korn & Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 24, 1998 (effective size); Miller,
    The jackknife: a review, Biometrika 61, 1974.
    """
    if size(stats) == 0:
        return Score(math.nan, math.nan, math.nan, 0, "no images")
    if not metric.card.paired:
        return _unpaired(metric, stats, level, seed)
    units = units_of(stats, groups, metric.card)
    value, count = metric.compute_from(stats), int(units.max()) + 1
    other = _without_jackknife(metric, stats, units, value, level)
    if other is not None:
        return other
    error, blocks = jackknife(lambda w: under(metric, stats, w), units, seed)
    what = f"jackknife{_over(metric.card, groups)}"
    if not math.isfinite(value) or not math.isfinite(error):
        return Score(value, math.nan, math.nan, count, f"{what}: not defined")
    quantile = float(t.ppf((1 + level) / 2, blocks - 1))
    scale = metric.scale if isinstance(metric, Weighted) else "plain"
    if scale == "share":
        narrow = norm.ppf((1 + level) / 2) / quantile  # few blocks: the error itself is uncertain
        rise = _rise(metric, stats, units, seed) if isinstance(metric, Weighted) and metric.rises else 0.0
        center = max(0.0, value - rise)
        inside = error > 0 and 0 < center < 1
        effective = center * (1 - center) / error**2 * narrow**2 if inside else float(count)
        low, high = clopper_pearson(center * effective, effective, level)
        method = f"{what}, effective sample size" + (", rise on few images removed" if rise else "")
        return Score(value, min(low, value), max(high, value), count, method)
    if error == 0:
        return Score(value, math.nan, math.nan, count, f"{what}: all images alike")
    if scale == "ratio":
        best, far_off = metric.card.best, quantile * error / abs(value - metric.card.best)
        if far_off > _MAX_LOGIT:
            return Score(value, math.nan, math.nan, count, f"{what}, log scale: not defined, too far apart")
        near, far = (abs(value - best) * math.exp(sign * far_off) for sign in (-1, 1))
        low, high = (best - far, best - near) if metric.card.higher_is_better else (best + near, best + far)
        return Score(value, low, high, count, f"{what}, log scale")
    return Score(value, value - quantile * error, value + quantile * error, count, what)


def score_in_blocks(metric: Weighted, blocks: Blocks, stats: Statistics) -> Score:
    """As `score` of a single item, over the blocks that it was cut into.

    Args:
        metric: What is measured.
        blocks: See `Weighted.blocks`.
        stats: Of the item.
    """
    if blocks.stats is None:
        return Score(metric.compute_from(stats), math.nan, math.nan, 1, f"none: {blocks.words}")
    result = score(metric, blocks.stats)
    return replace(result, method=result.method.replace("jackknife", f"jackknife over {blocks.words}", 1))


def _without_jackknife(
    metric: Metric, stats: Statistics, units: Array, value: float, level: float
) -> Score | None:
    """The score where its interval is exact, the metric's own, or none because of too few units."""
    count = int(units.max()) + 1
    if count < metric.card.least_units:
        return Score(value, math.nan, math.nan, count, too_few(metric.card))
    if metric.card.is_proportion and count == len(units):
        low, high = exact(round(value * count), count, level)
        return Score(value, low, high, count, "exact binomial (mid-P)")
    if isinstance(metric, Weighted) and count > 1 and (own_interval := metric.interval(stats, units, level)):
        return Score(value, min(own_interval[0], value), max(own_interval[1], value), count, "noise removed")
    return None


def too_few(card: MetricCard) -> str:
    """Reason why there is no interval, as the name of its method."""
    return f"none: fewer than {card.least_units} independent items"


def _rise(metric: Weighted, stats: Statistics, units: Array, seed: int) -> float:
    """How much too high a value is on so many images, from how much higher it is on half of them.

    The rise falls with the images to a power near -0.7 in the populations of benchmarks/coverage.py, so
    that it is `_SHARE` of the step from all to half. At least 0.

    Source: Politis & Romano, Large sample confidence regions based on subsamples under minimal
    assumptions, Annals of Statistics 22, 1994 (halves).
    """
    count, rng = int(units.max()) + 1, np.random.default_rng(seed)
    if count < 4:
        return 0.0
    halves = []
    for _ in range(_HALVES):
        first = np.isin(units, rng.permutation(count)[: count // 2])
        halves += [first, ~first]
    step = max(1, _CHUNK // len(units))
    rows = np.array(halves, dtype=np.float64)
    values = np.concatenate([under(metric, stats, rows[i : i + step]) for i in range(0, len(rows), step)])
    values = values[np.isfinite(values)]
    return max(0.0, _SHARE * float(values.mean() - metric.compute_from(stats))) if len(values) else 0.0


def _over(card: MetricCard, groups: Array | None) -> str:
    """What is left out, in words."""
    if card.unit != "image":
        return f" over {_PLURALS[card.unit]}"
    return "" if groups is None else " over groups"


def _unpaired(metric: Metric, stats: Statistics, level: float, seed: int) -> Score:
    """Unpaired metrics: blocks of predictions and of targets are left out together."""
    value, count = metric.compute_from(stats), min(len(rows) for rows in stats.values())
    without = left_out(metric, stats, seed)
    error = math.sqrt((len(without) - 1) * float(without.var())) if len(without) > 1 else math.nan
    what = "jackknife over blocks of predictions and targets"
    if not math.isfinite(value) or not math.isfinite(error):
        return Score(value, math.nan, math.nan, count, f"{what}: not defined")
    half = float(t.ppf((1 + level) / 2, len(without) - 1)) * error
    return Score(value, value - half, value + half, count, what)


def left_out(metric: Metric, stats: Statistics, seed: int) -> Array:
    """(B,) values of an unpaired metric, each without one block of predictions and one of targets."""
    blocks = min(_UNPAIRED_BLOCKS, *(len(rows) for rows in stats.values()))
    rng = np.random.default_rng(seed)
    numbers = {k: rng.permutation(len(rows)) * blocks // len(rows) for k, rows in stats.items()}
    return np.array(
        [metric.compute_from({k: v[numbers[k] != b] for k, v in stats.items()}) for b in range(blocks)]
    )


def units_of(stats: Statistics, groups: Array | None, card: MetricCard | None = None) -> Array:
    """(N,) index of the independent unit of each row: named by the statistics, its group, or itself.

    Raises:
        ValueError: If there is not one group an image, or a metric of other units than images has none.
    """
    if UNIT in stats:
        return np.asarray(np.unique(stats[UNIT], return_inverse=True)[1]).ravel()
    if groups is None and card is not None and card.unit != "image":
        raise ValueError(f"{card.name} is of {_PLURALS[card.unit]}: the data must name them, as groups.")
    if groups is None:
        return np.arange(size(stats))
    if len(groups) != size(stats):
        raise ValueError(f"groups must name one group an image ({size(stats)}). Received {len(groups)}.")
    return np.asarray(np.unique(groups, return_inverse=True)[1]).ravel()


def clopper_pearson(right: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share that never covers too little; `right` and `n` need not be whole.

    Source: Clopper & Pearson, The use of confidence or fiducial limits, Biometrika 26, 1934.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, right, n - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, n - right)) if right < n else 1.0
    return low, high


def exact(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share, with half the probability of what was seen on either side (mid-P).

    Covers 95 % on average over n and the true share, where Clopper-Pearson covers 96 to 99 %.

    Args:
        right: Successes.
        n: Trials, at least 1.
        level: Confidence level.

    Source: Berry & Armitage, Mid-P confidence intervals: a brief review, The Statistician 44, 1995.
    """

    def above(share: float) -> float:
        at_least = beta.cdf(share, right, n - right + 1) if right else 1.0
        more = beta.cdf(share, right + 1, n - right) if right < n else 0.0
        return float(at_least + more) / 2

    tail = (1 - level) / 2
    low = brentq(lambda p: above(p) - tail, 0, 1) if right else 0.0
    high = brentq(lambda p: above(p) - 1 + tail, 0, 1) if right < n else 1.0
    return float(low), float(high)


def jackknife(values: Values, units: Array, seed: int = 0) -> tuple[float, int]:
    """Standard error of anything from leaving out units, and from how many blocks it comes.

    Args:
        values: From (B, N) weights of the images to (B,) values.
        units: (N,) number of the unit of each image, as `units_of` gave.
        seed: Seed of the random blocks that more than 250 units are put into.

    Returns:
        The error, nan if there are fewer than two blocks without which the value is defined; and
        the number of those.
    """
    count = int(units.max()) + 1
    blocks = min(count, _BLOCKS)
    block = (np.random.default_rng(seed).permutation(count) * blocks // count)[units]
    step = max(1, _CHUNK // len(units))
    parts = []
    for start in range(0, blocks, step):
        left_out = np.arange(start, min(start + step, blocks))[:, None]
        parts.append(values((block[None] != left_out).astype(np.float64)))
    differences = np.concatenate(parts)
    differences = differences[np.isfinite(differences)]
    if len(differences) < 2:
        return math.nan, len(differences)
    spread = differences - differences.mean()
    error = math.sqrt((len(differences) - 1) / len(differences) * float(spread @ spread))
    # Rounding leaves about 1e-16 where all are equal.
    return (error if error > 1e-12 * float(np.abs(differences).max()) else 0.0), len(differences)


def under(metric: Metric, stats: Statistics, weights: Array) -> Array:
    """(B,) values of any metric under each of (B, N) weightings."""
    if not isinstance(metric, Weighted):
        return np.array([metric.compute_from(stats, w) for w in weights])
    with np.errstate(divide="ignore", invalid="ignore"):
        return metric.values(stats, weights)
