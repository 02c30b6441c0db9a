"""Metrics of class maps: worked examples, void pixels, sizes, and what reports are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import MetricCollection
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.metrics import METRICS
from sightline.metrics.pixels import class_ious, confusion, per_class

NAMES = ("miou", "image-iou", "dice-score", "pixel-accuracy", "class-accuracy", "boundary-f1")


def value(name: str, prediction: SemanticMasks, target: SemanticMasks) -> float:
    metric = METRICS.load(name).METRIC()
    metric.update(prediction, target)
    return float(metric.compute())


def masks(*maps: Any) -> SemanticMasks:
    return SemanticMasks.of([np.array(m) for m in maps])


def drawn(seed: int, images: int = 4, classes: int = 4) -> tuple[SemanticMasks, SemanticMasks]:
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(1, 9, 2)) for _ in range(images)]
    target = [np.where(rng.random(s) < 0.1, IGNORE_INDEX, rng.integers(0, classes, s)) for s in shapes]
    outputs = [
        np.where(rng.random(s) < 0.5, rng.integers(0, classes, s), t % IGNORE_INDEX)
        for s, t in zip(shapes, target, strict=True)
    ]
    return masks(*outputs), masks(*target)


TRUTH = masks([[0, 0, 0, 1], [0, 0, 1, IGNORE_INDEX]], [[1, 1, 1, 1]])
SAID = masks([[0, 0, 1, 1], [0, 0, 2, 2]], [[1, 1, 0, 0]])
# Over both: class 0 has 5 pixels, 4 found, 6 said: IoU 4/7; class 1 has 6, 3 found, 4 said: IoU 3/7.


def test_by_hand() -> None:
    assert value("miou", SAID, TRUTH) == pytest.approx((4 / 7 + 3 / 7) / 2)
    assert value("dice-score", SAID, TRUTH) == pytest.approx((8 / 11 + 6 / 10) / 2)
    assert value("pixel-accuracy", SAID, TRUTH) == pytest.approx(7 / 11)
    assert value("class-accuracy", SAID, TRUTH) == pytest.approx((4 / 5 + 3 / 6) / 2)
    # In the first image IoU is 4/5 and 1/3; in the second class 0 is not there, class 1 has 2/4.
    assert value("image-iou", SAID, TRUTH) == pytest.approx(((4 / 5 + 1 / 3) / 2 + 1 / 2) / 2)


def test_confusion_and_the_numbers_of_each_class_by_hand() -> None:
    counts = confusion(SAID, TRUTH, 3)
    assert counts.tolist() == [[4, 1, 0], [2, 3, 1], [0, 0, 0]]
    result = per_class(counts)
    assert result.pixels.tolist() == [5, 6, 0]
    assert result.iou == pytest.approx([4 / 7, 3 / 7, math.nan], nan_ok=True)
    assert result.dice == pytest.approx([8 / 11, 6 / 10, math.nan], nan_ok=True)
    assert result.precision == pytest.approx([4 / 6, 3 / 4, 0])
    assert result.recall == pytest.approx([4 / 5, 3 / 6, math.nan], nan_ok=True)


def test_a_class_beyond_the_table_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"Maps of 2 classes hold 0 to 1. Received 2"):
        confusion(SAID, TRUTH, 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_miou_is_the_mean_over_one_confusion_matrix(seed: int) -> None:
    outputs, target = drawn(seed)
    counts = confusion(outputs, target, 4)
    expected = np.nanmean(class_ious(counts)) if counts.any() else math.nan
    assert value("miou", outputs, target) == pytest.approx(expected, nan_ok=True)
    assert counts.sum() == sum(int((target.map(i) != IGNORE_INDEX).sum()) for i in range(len(target)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_said_of_void_pixels_changes_nothing(name: str, seed: int) -> None:
    outputs, target = drawn(seed)
    rng = np.random.default_rng(seed)
    other = [
        np.where(target.map(i) == IGNORE_INDEX, rng.integers(0, 9, target.map(i).shape), outputs.map(i))
        for i in range(4)
    ]
    assert value(name, masks(*other), target) == pytest.approx(value(name, outputs, target), nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
def test_what_the_classes_are_called_changes_nothing(name: str, seed: int, order: list[int]) -> None:
    outputs, target = drawn(seed)
    table = np.r_[np.array(order) + 200, np.arange(4, 256)]
    others = (masks(*(table[m.map(i)] for i in range(4))) for m in (outputs, target))
    assert value(name, *others) == pytest.approx(value(name, outputs, target), nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_batches_with_other_classes_can_be_joined(name: str) -> None:
    outputs, target = masks([[0, 1]], [[200, 200], [254, 254]]), masks([[0, 1]], [[200, 200], [254, 200]])
    metric = METRICS.load(name).METRIC()
    for i in range(2):
        metric.update(outputs[i], target[i])
    assert metric.compute() == pytest.approx(value(name, outputs, target))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_void_is_not_defined(name: str) -> None:
    void = masks([[IGNORE_INDEX, IGNORE_INDEX]])
    assert math.isnan(value(name, masks([[0, 1]]), void))


@pytest.mark.parametrize("name", NAMES)
def test_maps_that_cannot_be_judged_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="2 images and the target 1"):
        value(name, SAID, TRUTH[0])
    with pytest.raises(
        ValueError, match=r"Map 0 of the prediction is \(1, 4\) and that of the target \(2, 4\)"
    ):
        value(name, SAID[1], TRUTH[0])


def test_a_prediction_that_is_void_is_wrong() -> None:
    target = masks([[0, 0, 1, 1]])
    assert value("pixel-accuracy", masks([[0, IGNORE_INDEX, 1, 1]]), target) == 0.75
    assert value("miou", masks([[0, IGNORE_INDEX, 1, 1]]), target) == pytest.approx((0.5 + 1) / 2)


def test_one_count_serves_all_metrics_and_each_says_what_it_says_alone() -> None:
    outputs, target = drawn(0)
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in NAMES})
    metrics.update(outputs, target)
    assert metrics.computed == {"regions": 1}
    assert metrics.compute() == {name: value(name, outputs[:], target[:]) for name in NAMES}


def stripes(edge: int, side: int = 300) -> np.ndarray:
    """Class 1 to the right of an edge; 0.75 % of the diagonal of 300 x 300 pixels is 3.18."""
    return np.tile((np.arange(side) >= edge).astype(np.uint8), (side, 1))


@pytest.mark.parametrize(("off", "expected"), [(0, 1.0), (3, 1.0), (4, 0.0)])
def test_borders_may_be_off_by_the_tolerance(off: int, expected: float) -> None:
    # Class 0 ends at 99 and class 1 starts at 100: each border is one pixel wide and off by as much.
    result = value("boundary-f1", masks(stripes(100 + off)), masks(stripes(100)))
    assert result == pytest.approx(expected)


def test_a_border_with_void_is_none() -> None:
    target, outputs = stripes(100), stripes(100)
    target[:, 150:200] = IGNORE_INDEX
    outputs[:, 150:200] = 0  # a border of class 0 with class 1 there would be wrong
    assert value("boundary-f1", masks(outputs), masks(target)) == 1
    target[:, 95:105] = IGNORE_INDEX
    assert math.isnan(value("boundary-f1", masks(outputs), masks(target)))


def test_boundary_f1_by_hand() -> None:
    target, outputs = np.zeros((2, 40, 40), dtype=np.uint8)
    target[10:20, 10:20] = 1
    outputs[10:20, 10:30] = 1  # the far side is off by ten pixels; the tolerance is 0.42
    edge, true = 2 * (10 + 20) - 4, 2 * (10 + 10) - 4
    right = 8 + 2 * 10  # left column without corners, ten pixels of the top and the bottom row
    first = 2 * (right / edge) * (right / true) / (right / edge + right / true)
    # The ground's border lies around it: 4 sides without corners.
    edge, true, right = 2 * (10 + 20), 40, 10 + 2 * 10
    ground = 2 * (right / edge) * (right / true) / (right / edge + right / true)
    assert value("boundary-f1", masks(outputs), masks(target)) == pytest.approx((first + ground) / 2)
