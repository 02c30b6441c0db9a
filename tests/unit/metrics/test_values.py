"""Values that can be worked out by hand, and where a value is not defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.metrics import METRICS
from sightline.metrics.ece import Ece
from sightline.metrics.top_k import TopK


def label(scores: list[list[float]]) -> ClassLabels:
    p = torch.tensor(scores, dtype=torch.float64)
    return ClassLabels(p.argmax(1), p)


def several(scores: list[list[float]]) -> ClassLabels:
    p = torch.tensor(scores, dtype=torch.float64)
    return ClassLabels(p > 0.5, p)


def value(name: str, prediction: object, target: object) -> float:
    metric = METRICS.load(name).METRIC()
    metric.update(prediction, target)
    return float(metric.compute())


THREE = label([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1]])


def test_a_class_without_images_is_left_out_of_the_means() -> None:
    target = ClassLabels(torch.tensor([0, 1, 1, 1]))  # nothing of class 2
    assert value("balanced-accuracy", THREE, target) == pytest.approx((1 + 2 / 3) / 2)
    assert value("macro-f1", THREE, target) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert value("auroc", THREE, target) == pytest.approx(1.0)
    assert value("average-precision", THREE, target) == pytest.approx(1.0)


def test_a_class_that_is_only_predicted_counts_as_zero_in_macro_f1() -> None:
    target = ClassLabels(torch.tensor([0, 0, 0, 1]))
    prediction = ClassLabels(torch.tensor([0, 0, 2, 1]))
    assert value("macro-f1", prediction, target) == pytest.approx((0.8 + 1.0 + 0.0) / 3)


def test_ranking_of_one_class_is_not_defined() -> None:
    target = ClassLabels(torch.zeros(4, dtype=torch.int64))
    assert math.isnan(value("auroc", THREE, target))


def test_equal_scores_count_half() -> None:
    prediction = label([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    assert value("auroc", prediction, ClassLabels(torch.tensor([0, 1, 1]))) == pytest.approx(0.5)


def test_nan_scores_give_nan_not_a_ranking() -> None:
    prediction = ClassLabels(torch.tensor([0, 1]), torch.tensor([[float("nan"), 0.5], [0.2, 0.8]]))
    target = ClassLabels(torch.tensor([0, 1]))
    assert math.isnan(value("auroc", prediction, target))
    assert math.isnan(value("log-loss", prediction, target))


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 15.942385), (torch.float64, 36.043653)])
def test_certain_and_wrong_costs_a_finite_loss(dtype: torch.dtype, most: float) -> None:
    prediction = ClassLabels(torch.tensor([0]), torch.tensor([[1.0, 0.0]], dtype=dtype))
    assert value("log-loss", prediction, ClassLabels(torch.tensor([1]))) == pytest.approx(most, rel=1e-6)


def test_half_precision_scores_are_taken() -> None:
    prediction = ClassLabels(THREE.value, THREE.scores.bfloat16())
    assert value("log-loss", prediction, ClassLabels(torch.tensor([0, 0, 1, 1]))) < 0.6


def test_all_labels_of_an_image_must_be_right() -> None:
    target = ClassLabels(torch.tensor([[True, False], [True, True]]))
    prediction = several([[0.9, 0.1], [0.9, 0.2]])
    assert value("accuracy", prediction, target) == 0.5
    assert value("hamming", prediction, target) == 0.25
    assert value("micro-f1", prediction, target) == pytest.approx(0.8)


def test_the_lower_index_comes_first_among_equal_scores_as_with_argmax() -> None:
    prediction = label([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2]])
    target = ClassLabels(torch.tensor([0, 1]))
    for k, right in ((1, 0.5), (2, 1.0)):
        metric = TopK(k)
        metric.update(prediction, target)
        assert metric.compute() == right
        assert metric.card.name == f"top-{k} accuracy"


def test_calibration_error_by_hand() -> None:
    prediction = label([[0.9, 0.1]] * 10)
    target = ClassLabels(torch.tensor([0] * 6 + [1] * 4))
    assert value("ece", prediction, target) == pytest.approx(0.3)


def test_equal_mass_bins_tell_apart_what_equal_width_bins_mix() -> None:
    sure = np.linspace(0.94, 0.99, 100)
    prediction = label([[p, 1 - p] for p in sure])
    target = ClassLabels(torch.tensor([1] * 10 + [0] * 90))  # all mistakes at the lower confidences
    result = []
    for metric in (Ece(bins=10), Ece(bins=10, mass=True)):
        metric.update(prediction, target)
        result.append(metric.compute())
    assert result[0] == pytest.approx(abs(sure.mean() - 0.9))
    assert result[1] == pytest.approx((sure[:10].sum() + (1 - sure[10:]).sum()) / 100)


def test_constant_truth_has_no_r2() -> None:
    target = RegressionValues(torch.full((5, 1), 1e6))
    assert math.isnan(value("r2", RegressionValues(torch.arange(5.0)[:, None]), target))
    second = RegressionValues(torch.stack([torch.full((5,), 3.0), torch.arange(5.0)], 1))
    assert value("r2", second, second) == 1.0


def test_r2_keeps_its_digits_far_from_zero() -> None:
    target = 1e8 + np.random.default_rng(0).normal(size=(50, 1))
    prediction = target + 0.1
    ours = value("r2", RegressionValues(torch.tensor(prediction)), RegressionValues(torch.tensor(target)))
    assert ours == pytest.approx(1 - 0.01 / target.var(), abs=1e-6)


def test_probabilities_are_asked_for_where_needed() -> None:
    with pytest.raises(ValueError, match="needs class probabilities"):
        value("log-loss", ClassLabels(torch.tensor([0])), ClassLabels(torch.tensor([0])))
    with pytest.raises(ValueError, match="one label an image"):
        value("top-k", several([[0.9, 0.1]]), ClassLabels(torch.tensor([[True, False]])))
