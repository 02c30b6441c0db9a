"""Metrics of objects with masks: worked examples, crowds, confidence, and what they share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import MetricCollection
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.metrics import METRICS
from sightline.metrics.panoptic import PanopticQuality

NAMES = ("mask-ap", "mask-ap50", "mask-ap75", "panoptic", "aji", "object-f1", "cell-ap")
WHOLE = ("panoptic", "aji", "object-f1", "cell-ap")
HEIGHT, WIDTH = 20, 60


def outlines(*images: list[tuple[Any, ...]], **flags: list[bool]) -> InstanceMasks:
    """Images of (rectangle, class) or (rectangle, class, score)."""
    rows = [row for image in images for row in image]
    whole = np.zeros((len(rows), HEIGHT, WIDTH), dtype=bool)
    for first, ((x1, y1, x2, y2), *_) in zip(whole, rows, strict=True):
        first[y1:y2, x1:x2] = True
    scores = torch.tensor([r[2] for r in rows], dtype=torch.float64) if rows and len(rows[0]) == 3 else None
    result = InstanceMasks.of(
        torch.tensor([[HEIGHT, WIDTH]] * len(images)),
        torch.tensor([len(image) for image in images]),
        CroppedMasks.of(whole),
        torch.tensor([r[1] for r in rows]).long(),
        scores,
    )
    return replace(result, **{k: torch.tensor(v) for k, v in flags.items()})


def value(name: str, prediction: InstanceMasks, target: InstanceMasks) -> float:
    metric = METRICS.load(name).METRIC()
    metric.update(prediction, target)
    return float(metric.compute())


def values(prediction: InstanceMasks, target: InstanceMasks) -> dict[str, float]:
    return {name: value(name, prediction, target) for name in WHOLE}


def box(i: int) -> tuple[int, int, int, int]:
    """Squares of 10 x 10 that lie apart."""
    return 15 * i, 0, 15 * i + 10, 10


def drawn(seed: int, images: int = 6) -> tuple[InstanceMasks, InstanceMasks]:
    """Squares of three classes, and others shifted by a few pixels; scores that do not tie."""
    rng = np.random.default_rng(seed)
    outputs, target = [], []
    for _ in range(images):
        here = []
        for i in rng.permutation(4)[: rng.integers(0, 5)]:
            dx, dy = rng.integers(0, 5, 2)
            here.append(((15 * i + dx, dy, 15 * i + dx + 10, dy + 10), int(rng.integers(0, 3))))
        target.append(here)
        moved = []
        for (x1, y1, x2, y2), k in here:
            off = int(rng.integers(0, 4))
            moved.append(((x1 + off, y1 + off, x2, y2 + off), k if rng.random() < 0.8 else 2, rng.random()))
        outputs.append(moved)
    scores = [(b, k, s) for image in outputs for b, k, s in image]
    return (outlines(*outputs) if scores else outlines(*[[(box(0), 0, 0.9)]] * images)), outlines(*target)


TRUTH = outlines([(box(0), 0), (box(1), 0), (box(2), 0)])
# The first is found with IoU 0.8, the second with 2/3, the third not at all; one is wrong.
SAID = outlines([((0, 0, 10, 8), 0, 0.9), ((15, 0, 30, 10), 0, 0.8), (box(3), 0, 0.7)])


def test_by_hand() -> None:
    # At 0.5 to 0.65 two are right, at 0.7 to 0.8 one, above none; three are said and three are there.
    f1 = (4 * 2 / 3 + 3 * 1 / 3) / 10
    cell = (4 * 2 / 4 + 3 * 1 / 5) / 10
    pq = (0.8 + 2 / 3) / (2 + 1 / 2 + 1 / 2)
    aji = (80 + 100) / (100 + 150 + 100 + 100)
    expected = {"panoptic": pq, "aji": aji, "object-f1": f1, "cell-ap": cell}
    assert values(SAID, TRUTH) == pytest.approx(expected)
    # Precision is 1 up to a recall of 2/3, of 101 recalls the first 67.
    assert value("mask-ap50", SAID, TRUTH) == pytest.approx(67 / 101)
    assert value("mask-ap75", SAID, TRUTH) == pytest.approx(34 / 101)
    assert value("mask-ap", SAID, TRUTH) == pytest.approx((4 * 67 + 3 * 34) / 1010)


def test_masks_count_and_not_their_boxes() -> None:
    ring, disc = np.ones((2, 1, HEIGHT, WIDTH), dtype=bool)
    ring[0, 2:-2, 2:-2] = False
    sizes, first = torch.tensor([[HEIGHT, WIDTH]]), torch.tensor([1])
    target = InstanceMasks.of(sizes, first, CroppedMasks.of(disc), torch.tensor([0]))
    outputs = InstanceMasks.of(sizes, first, CroppedMasks.of(ring), torch.tensor([0]), torch.tensor([0.9]))
    assert torch.equal(outputs.boxes, target.boxes)
    assert value("mask-ap50", outputs, target) == 0
    assert value("ap50", outputs, target) == 1
    assert value("aji", outputs, target) == pytest.approx(ring.sum() / disc.sum())


def test_objects_find_only_their_own_class_but_aji_has_no_classes() -> None:
    prediction = outlines([(box(0), 1, 0.9)])
    target = outlines([(box(0), 0)])
    assert values(prediction, target) == {"panoptic": 0, "aji": 1, "object-f1": 0, "cell-ap": 0}


def test_pq_counts_a_class_that_is_only_said() -> None:
    prediction = outlines([(box(0), 0, 0.9), (box(1), 3, 0.9)])
    assert value("panoptic", prediction, outlines([(box(0), 0)])) == 0.5


def test_half_of_an_object_is_not_enough_for_pq() -> None:
    outputs, target = outlines([((0, 0, 10, 5), 0, 0.9)]), outlines([(box(0), 0)])
    assert value("panoptic", outputs, target) == 0
    assert value("object-f1", outputs, target) == pytest.approx(0.1)
    assert value("mask-ap50", outputs, target) == 1


@pytest.mark.parametrize("name", WHOLE)
def test_objects_below_the_confidence_do_not_count(name: str) -> None:
    target = outlines([(box(0), 0)])
    prediction = outlines([(box(0), 0, 0.5), (box(1), 0, 0.49)])
    assert value(name, prediction, target) == 1
    assert value(name, replace(prediction, scores=None), target) < 1  # without any, all count
    assert value(name, replace(prediction, scores=torch.tensor([0.5, 0.5])), target) < 1


@pytest.mark.parametrize("name", NAMES)
def test_who_finds_a_crowd_or_a_difficult_object_is_neither_right_nor_wrong(name: str) -> None:
    prediction = outlines([(box(0), 0, 0.9), ((15, 0, 22, 10), 0, 0.95), ((23, 0, 30, 10), 0, 0.95)])
    target = outlines([((15, 0, 45, 10), 0), (box(0), 0)], crowd=[True, False])
    assert value(name, prediction, target) == 1
    assert value(name, prediction, replace(target, crowd=None)) < 1
    alone = outlines([(box(0), 0, 0.9), (box(2), 0, 0.95)])
    hard = outlines([(box(2), 0), (box(0), 0)], difficult=[True, False])
    assert value(name, alone, hard) == 1


def test_each_object_is_found_once() -> None:
    target = outlines([(box(0), 0)])
    prediction = outlines([((0, 0, 10, 9), 0, 0.8), (box(0), 0, 0.9)])
    assert value("panoptic", prediction, target) == pytest.approx(1 / 1.5)
    assert value("object-f1", prediction, target) == pytest.approx(2 / 3)
    assert value("cell-ap", prediction, target) == pytest.approx(1 / 2)
    assert value("aji", prediction, target) == pytest.approx(100 / (100 + 90))


def test_aji_lets_one_mask_serve_several_objects() -> None:
    target = outlines([((0, 0, 10, 10), 0), ((10, 0, 20, 10), 0)])
    prediction = outlines([((0, 0, 20, 10), 0, 0.9)])
    assert value("aji", prediction, target) == pytest.approx(200 / 400)


def test_images_without_anything_do_not_count_and_with_wrong_objects_count_nothing() -> None:
    prediction = outlines([(box(0), 0, 0.9)], [], [])
    target = outlines([(box(0), 0)], [], [])
    assert values(prediction, target) == dict.fromkeys(WHOLE, 1.0)
    wrong = outlines([(box(0), 0, 0.9)], [(box(1), 0, 0.9)], [])
    assert values(wrong, target) == pytest.approx(
        {"panoptic": 1 / 1.5, "aji": 0.5, "object-f1": 2 / 3, "cell-ap": 0.5}
    )
    assert all(math.isnan(v) for v in values(prediction[1:], target[1:]).values())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_order_of_images_and_batches_does_not_matter(name: str, seed: int, data: st.DataObject) -> None:
    prediction, target = drawn(seed)
    order = torch.tensor(data.draw(st.permutations(range(6))))
    cut = data.draw(st.integers(0, 6))
    metric = METRICS.load(name).METRIC()
    for part in (order[:cut], order[cut:]):
        metric.update(prediction[part], target[part])
    assert metric.compute() == pytest.approx(value(name, prediction, target), rel=1e-12, nan_ok=True)
    assert math.isnan(metric.compute()) or 0 <= metric.compute() <= 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_pq_is_quality_of_segments_times_quality_of_recognition(seed: int) -> None:
    prediction, target = drawn(seed)
    assert prediction.scores is not None
    prediction = replace(prediction, scores=0.5 + prediction.scores / 2)  # all of them count
    metric = PanopticQuality()
    metric.update(prediction, target)
    scores = []
    for k in range(3):
        fits, outputs, present = [], 0, 0
        for i in range(6):
            a, b = prediction[i], target[i]
            first = a.bitmaps[a.labels == k].dense(HEIGHT, WIDTH).numpy()
            second = b.bitmaps[b.labels == k].dense(HEIGHT, WIDTH).numpy()
            outputs, present = outputs + len(first), present + len(second)
            for p in first:
                overlap = [(p & q).sum() / (p | q).sum() for q in second]
                fits += [x for x in overlap if x > 0.5]
        if outputs + present:
            scores.append(sum(fits) / ((outputs + present) / 2))
    # No two masks of one image overlap much here, so that more than half fits at most once.
    assert metric.compute() == pytest.approx(np.mean(scores) if scores else math.nan, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_that_cannot_be_judged_are_refused(name: str) -> None:
    prediction, target = drawn(1)
    with pytest.raises(ValueError, match="5 images and the target 6"):
        value(name, prediction[:5], target)
    with pytest.raises(ValueError, match="Received boxes only"):
        value(name, prediction.boxed(), target)  # type: ignore[arg-type]


def test_overlaps_are_counted_once_for_all_metrics_and_say_what_each_says_alone() -> None:
    prediction, target = drawn(2)
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in (*NAMES, "ap")})
    metrics.update(prediction, target)
    assert metrics.computed == {
        ("matches", "by_masks"): 1, ("matches", "by_boxes"): 1, "mask pairs": 1, "tallies": 1,
    }  # fmt: skip
    alone = {name: value(name, prediction[:], target[:]) for name in metrics}
    assert metrics.compute() == pytest.approx(alone, abs=0, nan_ok=True)


def test_more_than_one_hundred_objects_count_in_an_image_but_for_average_precision() -> None:
    near = [
        ((2 * i % WIDTH, 2 * (2 * i // WIDTH), 2 * i % WIDTH + 1, 2 * (2 * i // WIDTH) + 1), 0)
        for i in range(150)
    ]
    target = outlines(near)
    prediction = replace(target, scores=torch.full((150,), 0.9))
    assert values(prediction, target) == dict.fromkeys(WHOLE, 1.0)
    assert 0.6 < value("mask-ap50", prediction, target) < 0.7
