"""Temperature: true probabilities, the same predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.core.targets.label import ClassLabels
from sightline.metrics.calibration import LIMITS, apply, reliability, supported, temperature
from sightline.metrics.ece import Ece

TEMPERATURES = st.floats(LIMITS[0], LIMITS[1])
DTYPES = st.sampled_from([np.float32, np.float64])


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@st.composite
def logits(draw: st.DrawFn) -> np.ndarray:
    """Logits with exact ties, near ties (one step apart) and extremes."""
    dtype = draw(DTYPES)
    shape = (draw(st.integers(1, 6)), draw(st.integers(2, 9)))
    values = st.floats(-40, 40, width=32) | st.sampled_from([0.0, 1.0, float(np.nextafter(np.float32(1), 2))])
    return draw(arrays(dtype, shape, elements=values))


@settings(max_examples=150, deadline=None)
@given(z=logits(), t=TEMPERATURES)
def test_the_predicted_class_never_changes(z: np.ndarray, t: float) -> None:
    p = softmax(z)
    scaled = apply(p, t)
    assert scaled.dtype == p.dtype
    assert (scaled.argmax(1) == p.argmax(1)).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert scaled.sum(1) == pytest.approx(np.ones(len(p)), abs=1e-5)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), t=TEMPERATURES, dtype=DTYPES)
def test_no_label_changes_sides(data: st.DataObject, t: float, dtype: type) -> None:
    near = [
        0.5,
        float(np.nextafter(dtype(0.5), dtype(1))),
        float(np.nextafter(dtype(0.5), dtype(0))),
        0.0,
        1.0,
    ]
    elements = st.sampled_from(near) | st.floats(0, 1, width=32)
    p = data.draw(arrays(dtype, (3, 4), elements=elements))
    scaled = apply(p, t, several=True)
    assert scaled.dtype == p.dtype
    assert ((scaled > 0.5) == (p > 0.5)).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_applying_is_dividing_the_logits() -> None:
    z = np.random.default_rng(0).normal(size=(20, 5)) * 3
    assert apply(softmax(z), 2.5) == pytest.approx(softmax(z / 2.5), abs=1e-12)
    sigmoid = 1 / (1 + np.exp(-z))
    assert apply(sigmoid, 2.5, several=True) == pytest.approx(1 / (1 + np.exp(-z / 2.5)), abs=1e-12)
    assert (apply(softmax(z), 1.0) == softmax(z)).all()


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("several", [False, True])
def test_a_planted_temperature_is_found(true: float, several: bool) -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(20_000, 4))
    if several:
        target = rng.random(z.shape) < 1 / (1 + np.exp(-z))
        outputs = 1 / (1 + np.exp(-z * true))
    else:
        target = (z + rng.gumbel(size=z.shape)).argmax(1)
        outputs = softmax(z * true)
    assert temperature(outputs, target) == pytest.approx(true, rel=0.05)
    assert temperature(outputs.astype(np.float32), target) == pytest.approx(true, rel=0.05)


def test_calibration_error_falls() -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(5000, 5))
    target, outputs = (z + rng.gumbel(size=z.shape)).argmax(1), softmax(3 * z)
    result = []
    for p in (outputs, apply(outputs, temperature(outputs, target))):
        metric = Ece()
        metric.update(
            ClassLabels(torch.tensor(p.argmax(1)), torch.tensor(p)), ClassLabels(torch.tensor(target))
        )
        result.append(metric.compute())
    assert result[0] > 0.15
    assert result[1] < 0.02


def test_edges() -> None:
    assert temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == 1.0
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert temperature(sure, np.array([0, 1])) == 1.0  # nothing to gain
    assert temperature(sure, np.array([1, 0])) == pytest.approx(LIMITS[1], rel=1e-3)
    with pytest.raises(ValueError, match="nan"):
        temperature(np.array([[math.nan, 1.0]]), np.array([0]))
    with pytest.raises(ValueError, match="do not fit"):
        temperature(sure, np.array([0]))
    with pytest.raises(ValueError, match="above 0"):
        apply(sure, 0.0)


def test_what_the_images_do_not_support_is_not_fitted() -> None:
    """Too few, all right, or too few wrong to be surer: as it was, and it is said."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 4, 400)
    sure = softmax(3.0 * np.eye(4)[target] + rng.normal(size=(400, 4)) * 0.2)
    assert temperature(sure, target) < 0.1
    for n, word in ((12, "too few"), (400, "All 400 validation images are right")):
        result, why = supported(sure[:n], target[:n])
        assert result == 1.0
        assert word in why
    three = target.copy()
    three[:3] = (three[:3] + 1) % 4
    dull = softmax(0.5 * np.eye(4)[target])
    assert temperature(dull, three) < 1
    assert supported(dull, three)[0] == 1.0
    assert "Only 3" in supported(dull, three)[1]


def test_what_the_images_support_is_fitted_and_a_limit_is_said() -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(500, 4))
    target, outputs = (z + rng.gumbel(size=z.shape)).argmax(1), softmax(3 * z)
    result, why = supported(outputs, target)
    assert result == temperature(outputs, target)
    assert f"{result:.3g}" in why
    wrong = (outputs.argmax(1) + 1) % 4
    assert supported(outputs, wrong)[0] == pytest.approx(LIMITS[1], rel=1e-3)
    assert "upper limit" in supported(outputs, wrong)[1]
    labels = rng.random((300, 3)) < 0.5
    assert supported(np.where(labels, 0.9, 0.1), labels)[0] == 1.0


def test_reliability_counts_every_image_once_and_agrees_with_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p, target = softmax(2 * rng.normal(size=(500, 3))), rng.integers(0, 3, 500)
    points = reliability(p, target, bins=10)
    assert len(points) == 10
    assert sum(q.count for q in points) == 500
    assert points[0].count == 0  # the highest of three is at least a third
    assert math.isnan(points[0].accuracy)
    gap = sum(q.count * abs(q.accuracy - q.confidence) for q in points if q.count) / 500
    metric = Ece(bins=10)
    metric.update(ClassLabels(torch.tensor(p.argmax(1)), torch.tensor(p)), ClassLabels(torch.tensor(target)))
    assert metric.compute() == pytest.approx(gap)
    assert sum(q.count for q in reliability(p, target[:, None] == np.arange(3))) == 1500
    assert all(q.count == 0 for q in reliability(np.empty((0, 3)), np.empty(0, dtype=np.int64)))
