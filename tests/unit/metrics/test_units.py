"""Metrics of other units than images, and metrics that compare all with all."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from sightline.core.card import MetricCard
from sightline.core.metric import UNIT, Metric, Statistics
from sightline.core.targets.number import RegressionValues
from sightline.metrics import intervals
from sightline.metrics.compare import paired
from sightline.metrics.mae import Mae

Array = np.ndarray


class BySequence(Mae):
    card = MetricCard("by-sequence", "", False, 0.0, ("number",), unit="sequence")


class Pairs(Metric):
    """The share of pairs of neighbors whose difference has the right sign; each pair is of one identity."""

    card = MetricCard("pairs", "", True, 1.0, ("number",), unit="identity")

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        raise AssertionError("pairs are not of one image")

    def per_unit(self, prediction: Any, target: Any, groups: Array | None) -> Statistics:
        assert groups is not None
        rises = [np.diff(n.value[:, 0].numpy()) > 0 for n in (prediction, target)]
        return {"right": (rises[0] == rises[1]).astype(float), UNIT: groups[1:]}

    def compute_from(self, stats: Statistics, weights: Array | None = None) -> float:
        return float(np.average(stats["right"], weights=weights))


class Shift(Metric):
    """The mean of all predictions less that of all targets."""

    card: ClassVar[MetricCard] = MetricCard("shift", "", False, 0.0, ("number",), paired=False)

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        return {"predictions": prediction.value[:, 0].numpy(), "targets": target.value[:, 0].numpy()}

    def compute_from(self, stats: Statistics, weights: Array | None = None) -> float:
        return float(stats["predictions"].mean() - stats["targets"].mean())


def numbers(n: int, seed: int, shift: float = 0.0) -> RegressionValues:
    return RegressionValues(torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, (n, 1))))


def test_a_metric_without_statistics_is_refused() -> None:
    class Empty(Metric):
        card = Shift.card

        def compute_from(self, stats: Statistics, weights: Array | None = None) -> float:
            return 0.0

    with pytest.raises(TypeError, match="Empty has neither sample_statistics nor from_evaluation"):
        Empty()


def test_a_metric_of_sequences_leaves_out_whole_sequences() -> None:
    sequences = np.repeat([f"s{i}" for i in range(12)], 10)
    metric, sample_statistics = BySequence(), Mae()
    for each in (metric, sample_statistics):
        each.update(numbers(120, 0), numbers(120, 1), sequences)
    score = intervals.score(metric, metric.stats)
    assert (score.n, score.method) == (12, "jackknife over sequences, log scale")
    by_groups = intervals.score(sample_statistics, sample_statistics.stats, groups=sequences)
    assert (score.low, score.high) == (by_groups.low, by_groups.high)
    assert sample_statistics.stats.keys() == {"error"}


def test_a_metric_of_sequences_needs_their_names() -> None:
    metric = BySequence()
    metric.update(numbers(9, 0), numbers(9, 1))
    with pytest.raises(ValueError, match="by-sequence is of sequences: the data must name them"):
        intervals.score(metric, metric.stats)


def test_rows_may_be_of_pairs() -> None:
    groups = np.repeat(["a", "b", "c", "d"], 20)
    metric = Pairs()
    metric.update(numbers(80, 0), numbers(80, 0), groups)
    assert len(metric.stats["right"]) == 79
    score = intervals.score(metric, metric.stats, groups=groups)
    assert (score.value, score.n) == (1.0, 4)


def test_an_unpaired_metric_compares_sets_of_any_size() -> None:
    metric = Shift()
    for i in range(4):
        metric.update(numbers(100, i, 0.5), numbers(50, 10 + i))
    score = intervals.score(metric, metric.stats)
    expected = (1 / 400 + 1 / 200) ** 0.5  # standard error of a difference of means
    assert score.low < 0.5 < score.high
    assert (score.high - score.low) / 2 / 2.09 == pytest.approx(expected, rel=0.4)
    other = Shift()
    other.update(numbers(400, 20, 1.5), numbers(200, 10))
    pair = paired(metric, metric.stats, other.stats)
    assert pair.difference.value == pytest.approx(-1, abs=0.3)
    assert pair.p < 0.001
