"""Paired comparison: known values, edges, groups and type-I error."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.metric import Metric, Statistics
from sightline.core.targets.label import ClassLabels
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.compare import holm, paired
from sightline.metrics.log_loss import LogLoss
from sightline.metrics.mae import Mae


def right(both: int, only_a: int, only_b: int, neither: int) -> tuple[Statistics, Statistics]:
    a = [1.0] * both + [1.0] * only_a + [0.0] * only_b + [0.0] * neither
    b = [1.0] * both + [0.0] * only_a + [1.0] * only_b + [0.0] * neither
    return {"right": np.array(a)}, {"right": np.array(b)}


def test_mcnemar_by_hand() -> None:
    result = paired(Accuracy(), *right(59, 6, 16, 80))
    # 2 P(X <= 6) - P(X = 6) for 22 fair coins: 2 * 110056 / 2**22 - 74613 / 2**22
    assert result.p == pytest.approx((2 * 110056 - 74613) / 2**22, rel=1e-9)
    assert result.difference.value == pytest.approx(-10 / 161)
    assert result.difference.low < result.difference.value < result.difference.high < 0
    assert result.method == "exact McNemar (mid-P)"


@pytest.mark.parametrize("cells", [(10, 0, 0, 3), (5, 4, 4, 0), (0, 1, 0, 0), (100, 0, 0, 0)])
def test_few_disagreements_prove_nothing(cells: tuple[int, int, int, int]) -> None:
    result = paired(Accuracy(), *right(*cells))
    assert result.p > 0.49
    assert result.difference.low < 0 < result.difference.high


def test_swapping_the_models_turns_the_sign() -> None:
    rng = np.random.default_rng(0)
    a, b = ({"loss": rng.exponential(size=70)} for _ in range(2))
    first, other = paired(LogLoss(), a, b), paired(LogLoss(), b, a)
    assert first.p == pytest.approx(other.p)
    assert first.difference.value == pytest.approx(-other.difference.value)
    assert (first.difference.low, first.difference.high) == pytest.approx(
        (-other.difference.high, -other.difference.low)
    )


def test_a_mean_has_students_paired_test() -> None:
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(0)
    a = rng.exponential(size=60)
    b = a + 0.1 * rng.normal(size=60) + 0.02
    result = paired(LogLoss(), {"loss": a}, {"loss": b})
    theirs = ttest_rel(a, b)
    assert result.p == pytest.approx(theirs.pvalue, rel=1e-6)
    interval = theirs.confidence_interval(0.95)
    assert (result.difference.low, result.difference.high) == pytest.approx((interval.low, interval.high))


def test_the_same_predictions_do_not_differ() -> None:
    stats = {"loss": np.arange(10.0)}
    result = paired(LogLoss(), stats, {"loss": np.arange(10.0)})
    assert result.p == 1.0
    assert result.difference.value == result.difference.low == result.difference.high == 0


def test_edges() -> None:
    shifted = paired(Mae(), {"error": np.ones((9, 1))}, {"error": np.full((9, 1), 2.0)})
    assert math.isnan(shifted.p)
    assert shifted.difference.value == -1
    nothing = paired(Mae(), {"error": np.ones((0, 1))}, {"error": np.ones((0, 1))})
    assert nothing.difference.n == 0
    assert math.isnan(nothing.p)
    with pytest.raises(ValueError, match="Pair them first"):
        paired(Mae(), {"error": np.ones((3, 1))}, {"error": np.ones((4, 1))})


def test_groups_count_once() -> None:
    a, b = right(40, 12, 2, 6)
    repeated = [{k: np.repeat(v, 8) for k, v in s.items()} for s in (a, b)]
    groups = np.repeat(np.arange(60), 8)
    naive = paired(Accuracy(), *repeated)
    result = paired(Accuracy(), *repeated, groups=groups)
    assert naive.p < 1e-6
    assert result.difference.n == 60
    assert 0.001 < result.p < 0.02  # as for the 60 alone
    assert "groups" in result.method


def _null(metric: Metric, n: int, sets: int) -> float:
    """How often two equally good models are told apart at 5 %."""
    rng, message = np.random.default_rng(0), 0
    target = rng.choice(4, n * sets, p=[0.4, 0.3, 0.2, 0.1])
    z = rng.normal(size=(n * sets, 4)) + 2 * np.eye(4)[target]
    stats = []
    for _ in range(2):
        p = torch.tensor(z + 0.6 * rng.normal(size=z.shape)).softmax(1)
        stats.append(metric.sample_statistics(ClassLabels(p.argmax(1), p), ClassLabels(torch.tensor(target))))
    for start in range(0, n * sets, n):
        message += paired(metric, *({k: v[start : start + n] for k, v in s.items()} for s in stats)).p <= 0.05
    return message / sets


@pytest.mark.parametrize("metric", [Accuracy(), BalancedAccuracy(), LogLoss()])
def test_equal_models_are_told_apart_about_one_time_in_twenty(metric: Metric) -> None:
    assert 0.015 <= _null(metric, 120, 300) <= 0.088


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    with_nan = holm([0.02, math.nan, 0.5])
    assert with_nan[0] == pytest.approx(0.04)
    assert math.isnan(with_nan[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p: list[float]) -> None:
    raised = holm(p)
    assert all(r >= x for r, x in zip(raised, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(raised)[order]) >= 0).all()
    assert max(raised) <= 1
