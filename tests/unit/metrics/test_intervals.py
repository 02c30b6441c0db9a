"""Intervals: known values, what happens at the edges, groups, and actual coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sightline.core.card import MetricCard
from sightline.core.metric import Metric, Statistics
from sightline.core.report import Score
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.ece import Ece
from sightline.metrics.intervals import clopper_pearson, exact, score
from sightline.metrics.log_loss import LogLoss
from sightline.metrics.mae import Mae
from sightline.metrics.r2 import R2


def test_published_clopper_pearson_interval() -> None:
    low, high = clopper_pearson(4, 20)  # 5.73 % to 43.66 %, the textbook case of 4 in 20
    assert low == pytest.approx(0.0573, abs=5e-5)
    assert high == pytest.approx(0.4366, abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 50, 10_000])
def test_all_right_still_leaves_room_for_doubt(n: int) -> None:
    low, high = exact(n, n)
    assert high == 1.0
    assert low == pytest.approx(0.05 ** (1 / n))  # where half the chance of what was seen is 2.5 %
    assert exact(0, n) == pytest.approx((0.0, 1 - low))


def test_mid_p_lies_inside_clopper_pearson() -> None:
    for right, n in ((1, 10), (40, 50), (0, 5), (999, 1000)):
        wide, narrow = clopper_pearson(right, n), exact(right, n)
        assert wide[0] <= narrow[0] <= right / n <= narrow[1] <= wide[1]


@pytest.mark.parametrize(("n", "shares"), [(50, (0.3, 0.8)), (200, (0.3, 0.94))])
def test_exact_interval_covers_as_it_says(n: int, shares: tuple[float, float]) -> None:
    from scipy.stats import binom

    ends = np.array([exact(k, n) for k in range(n + 1)])
    true = np.linspace(*shares, 60)[:, None]
    inside = (ends[:, 0] <= true) & (true <= ends[:, 1])
    coverage = (binom.pmf(np.arange(n + 1), n, true) * inside).sum(1)
    assert 0.945 <= coverage.mean() <= 0.96
    assert coverage.min() > 0.92


def _right(share: float, n: int) -> tuple[ClassLabels, ClassLabels]:
    wrong = round((1 - share) * n)
    target = torch.arange(n) % 4
    value = target.clone()
    value[:wrong] = (value[:wrong] + 1) % 4
    return ClassLabels(value, torch.nn.functional.one_hot(value, 4).double()), ClassLabels(target)


def test_balanced_accuracy_of_equal_classes_is_as_uncertain_as_accuracy() -> None:
    answers = _right(0.9, 400)
    plain, balanced = Accuracy(), BalancedAccuracy()
    a, b = (score(m, m.sample_statistics(*answers)) for m in (plain, balanced))
    assert a.value == pytest.approx(b.value)
    assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.01)


def test_no_mistake_seen_is_not_certainty() -> None:
    metric = BalancedAccuracy()
    interval = score(metric, metric.sample_statistics(*_right(1.0, 40)))
    assert interval.value == interval.high == 1.0
    assert 0.88 < interval.low < 0.95


def test_images_alike_say_nothing_of_the_spread() -> None:
    metric = Mae()
    same = RegressionValues(torch.ones(20, 1))
    interval = score(metric, metric.sample_statistics(RegressionValues(torch.full((20, 1), 3.0)), same))
    assert interval.value == 2.0
    assert math.isnan(interval.low)
    assert "alike" in interval.method


def test_errors_have_positive_lower_ends_and_r2_stays_below_one() -> None:
    rng = np.random.default_rng(0)
    target = torch.tensor(rng.normal(size=(8, 1)))
    prediction = RegressionValues(target + 0.01 * torch.tensor(rng.standard_cauchy(size=(8, 1))))
    mae, r2 = Mae(), R2()
    low = score(mae, mae.sample_statistics(prediction, RegressionValues(target)))
    high = score(r2, r2.sample_statistics(prediction, RegressionValues(target)))
    assert 0 < low.low < low.value < low.high
    assert high.low < high.value < high.high < 1


def test_groups_are_the_units() -> None:
    """Ten images of each of 30 patients, alike within a patient: the error is that of 30, not of 300."""
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(30) < 0.7, 10)
    groups = np.repeat([f"patient {i}" for i in range(30)], 10)
    target = ClassLabels(torch.zeros(300, dtype=torch.int64))
    metric = Accuracy()
    stats = metric.sample_statistics(ClassLabels(torch.tensor((~right).astype(np.int64))), target)
    plain, grouped = score(metric, stats), score(metric, stats, groups=groups)
    assert (plain.n, grouped.n) == (300, 30)
    assert grouped.value == plain.value
    assert 2.5 < (grouped.high - grouped.low) / (plain.high - plain.low) < 4
    one_each = score(metric, {k: v[::10] for k, v in stats.items()})
    assert (grouped.low, grouped.high) == pytest.approx((one_each.low, one_each.high), abs=0.03)
    with pytest.raises(ValueError, match="one group an image"):
        score(metric, stats, groups=groups[:5])


def test_one_group_has_no_interval() -> None:
    metric = LogLoss()
    stats = metric.sample_statistics(*_right(0.9, 40))
    interval = score(metric, stats, groups=np.zeros(40))
    assert interval.n == 1
    assert math.isnan(interval.low)


class Range(Metric):
    """A metric of someone else's, which can only do one weighting at a time."""

    card = MetricCard("range", "mean of x", True, 1.0, ("number",))

    def sample_statistics(self, prediction: RegressionValues, target: RegressionValues) -> Statistics:
        return {"x": prediction.value[:, 0].numpy()}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        return float(np.average(stats["x"], weights=weights))


def test_any_metric_gets_an_interval() -> None:
    x = np.random.default_rng(0).normal(size=100)
    metric = Range()
    numbers = RegressionValues(torch.tensor(x[:, None]))
    interval = score(metric, metric.sample_statistics(numbers, numbers))
    half = 1.984 * x.std(ddof=1) / 10  # Student's interval of a mean
    assert (interval.low, interval.high) == pytest.approx((x.mean() - half, x.mean() + half), rel=1e-3)


@pytest.mark.parametrize("name", ["log loss", "mae", "balanced"])
def test_coverage_is_near_what_it_says(name: str) -> None:
    """A small version of benchmarks/coverage.py: of 300 test sets, 95 % give or take 3.8 (3 sigma)."""
    rng = np.random.default_rng(0)
    metric: Metric
    if name == "mae":
        metric, population = Mae(), {"error": np.abs(rng.normal(size=(50_000, 1)))}
    elif name == "log loss":
        metric, population = LogLoss(), {"loss": rng.exponential(size=50_000)}
    else:
        target = rng.choice(3, 50_000, p=[0.6, 0.3, 0.1])
        wrong = rng.random(50_000) < np.array([0.1, 0.2, 0.4])[target]
        metric = BalancedAccuracy()
        population = {"target": target, "predicted": np.where(wrong, (target + 1) % 3, target)}
    true, inside = metric.compute_from(population), 0
    for _ in range(300):
        drawn = rng.integers(0, 50_000, 300)
        interval = score(metric, {k: v[drawn] for k, v in population.items()})
        inside += interval.low <= true <= interval.high
    assert 0.912 <= inside / 300 <= 0.988


@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize("bias", [0.0, 0.12])
def test_calibration_error_is_told_from_noise(bias: float, mass: bool) -> None:
    """True error 0 or 0.12; the plain value is about 0.04 too high at 200 images."""
    rng, metric, inside, values = np.random.default_rng(0), Ece(mass=mass), 0, []
    for _ in range(100):
        sure = rng.uniform(0.5 + bias, 1, (200, 1))
        right = rng.random((200, 1)) < sure - bias
        interval = score(metric, {"confidence": sure, "right": right.astype(float)})
        inside += interval.low <= bias <= interval.high
        values.append(interval.value)
        assert interval.low <= interval.value <= interval.high
    assert np.mean(values) > bias + 0.005
    assert inside >= 85


def test_one_value_far_off_leaves_no_interval_rather_than_an_error() -> None:
    """Without the far one R2 is many thousand times worse: the images do not tell within what it lies."""
    target = RegressionValues(torch.tensor([[1.0], [1.0125], [1.025], [1.0375], [921.0]]))
    outputs = RegressionValues(torch.full((5, 1), 200.0))
    for metric in (R2(), Mae()):
        interval = score(metric, metric.sample_statistics(outputs, target))
        assert math.isfinite(interval.value)
        assert not interval.low > interval.value
        assert not interval.high < interval.value
    far = score(R2(), R2().sample_statistics(outputs, target))
    assert math.isnan(far.low)
    assert "not defined" in far.method
    assert "no interval" in far.text()
    assert Score(9.1e29, 1e29, 8.25e30, 5).text() == "9.1e+29 (1e+29 to 8.25e+30, n 5)"
