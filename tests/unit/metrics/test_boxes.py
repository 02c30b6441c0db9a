"""Metrics on boxes: worked examples, weights, curves, confusions and kinds of mistakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import Evaluation, MetricCollection
from sightline.core.targets.instances import Instances
from sightline.metrics import METRICS
from sightline.metrics.detections import average_precisions, best_threshold, confusion, curves, mean_f1
from sightline.metrics.functional.matching import matches
from sightline.metrics.intervals import score, under
from sightline.metrics.mean_average_precision import MeanAveragePrecision
from sightline.metrics.mistakes import KINDS, mistakes
from sightline.ops.objects import crowded

NAMES = ("ap", "ap50", "ap75", "ap-small", "ap-medium", "ap-large", "ar100", "voc-ap")
FAR = [500, 500, 520, 520]
HALF = 51 / 101
"""Share of COCO's 101 recalls that are at most 0.5."""


def instances(*images: list[tuple[Any, ...]], **flags: list[bool]) -> Instances:
    """Images of (box, class) or (box, class, score)."""
    rows = [row for image in images for row in image]
    scores = torch.tensor([r[2] for r in rows], dtype=torch.float64) if rows and len(rows[0]) == 3 else None
    return Instances(
        torch.tensor([len(image) for image in images]),
        torch.full((len(images), 2), 600),
        torch.tensor([r[0] for r in rows]).float().reshape(-1, 4),
        torch.tensor([r[1] for r in rows]).long(),
        scores,
        **{k: torch.tensor(v) for k, v in flags.items()},
    )


def made(name: str) -> Any:
    return METRICS.load(name).METRIC()


def value(name: str, prediction: Instances, target: Instances) -> float:
    metric = made(name)
    metric.update(prediction, target)
    return float(metric.compute())


def box(i: int) -> list[int]:
    """Boxes of 10 x 10 that lie apart."""
    return [20 * i, 0, 20 * i + 10, 10]


def drawn(seed: int, images: int = 20, classes: int = 3) -> tuple[Instances, Instances]:
    """Objects of all sizes, some of them crowds or difficult; scores that do not tie."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, images)
    n = int(counts.sum())
    side = np.exp(rng.uniform(np.log(10), np.log(200), (n, 1)))
    near = rng.uniform(0, 300, (n, 2))
    target = Instances(torch.tensor(counts), torch.full((images, 2), 600),
                      torch.tensor(np.concatenate([near, near + side], 1)).float(),
                      torch.tensor(rng.integers(0, classes, n)),
                      crowd=torch.tensor(rng.random(n) < 0.05),
                      difficult=torch.tensor(rng.random(n) < 0.1))  # fmt: skip
    index = torch.tensor(np.repeat(np.arange(n), 3))
    boxes = target.boxes[index] + torch.tensor(rng.normal(size=(3 * n, 4)) * 0.1 * side.repeat(3, 0)).float()
    labels = torch.where(torch.tensor(rng.random(3 * n) < 0.8), target.labels[index], 0)
    scores = torch.tensor((1 + rng.permutation(3 * n)) / (3 * n + 1))
    return Instances(target.counts * 3, target.sizes, boxes, labels, scores), target


def test_voc_average_precision_by_hand() -> None:
    target = instances([(box(0), 0), (box(1), 0), (box(2), 0)])
    prediction = instances([(box(0), 0, 0.9), (FAR, 0, 0.8), (box(1), 0, 0.7), (box(1), 0, 0.6)])
    # Precision 1 up to recall 1/3 (0, 0.1, 0.2, 0.3), 2/3 up to 2/3 (0.4, 0.5, 0.6), then nothing.
    assert value("voc-ap", prediction, target) == pytest.approx((4 + 3 * 2 / 3) / 11)


def test_voc_leaves_difficult_objects_out_on_both_sides() -> None:
    prediction = instances([(box(0), 0, 0.9), (box(1), 0, 0.8)])
    target = instances([(box(1), 0), (box(0), 0)], difficult=[False, True])
    assert value("voc-ap", prediction, target) == 1
    assert value("voc-ap", prediction.select(torch.tensor([True, False])), target) == 0
    assert value("voc-ap", prediction, replace(target, difficult=None)) == 1
    # Finding the difficult one again is not wrong either.
    again = instances([(box(0), 0, 0.9), (box(0), 0, 0.85), (box(1), 0, 0.8)])
    assert value("voc-ap", again, target) == 1


def test_voc_holds_a_detection_against_the_object_it_overlaps_most_and_coco_against_the_next_free() -> None:
    target = instances([([0, 0, 10, 10], 0), ([4, 0, 14, 10], 0)])
    prediction = instances([([0, 0, 10, 10], 0, 0.9), ([1.5, 0, 11.5, 10], 0, 0.8)])  # IoU 0.74 and 0.6
    assert value("ap50", prediction, target) == 1
    assert value("voc-ap", prediction, target) == pytest.approx(6 / 11)


def test_average_precision_by_hand() -> None:
    target = instances([(box(0), 0)], [(box(0), 0)])
    prediction = instances([(box(0), 0, 0.9), (FAR, 0, 0.8)], [([0, 0, 10, 8], 0, 0.7)])  # IoU 0.8
    right, lost = (51 + 50 * 2 / 3) / 101, HALF
    assert value("ap50", prediction, target) == pytest.approx(right)
    assert value("ap75", prediction, target) == pytest.approx(right)
    assert value("ap", prediction, target) == pytest.approx((7 * right + 3 * lost) / 10)
    assert value("ar100", prediction, target) == pytest.approx((7 * 1 + 3 * 0.5) / 10)
    assert value("ap-small", prediction, target) == pytest.approx((7 * right + 3 * lost) / 10)
    assert np.isnan(value("ap-large", prediction, target))


def test_classes_without_objects_do_not_count() -> None:
    target = instances([(box(0), 0)])
    prediction = instances([(box(0), 0, 0.5), (box(0), 2, 0.9)])
    assert [value(n, prediction, target) for n in ("ap", "ar100", "voc-ap")] == [1, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_scores_that_are_nan_make_the_value_nan(name: str) -> None:
    prediction, target = drawn(0)
    prediction.scores[3] = torch.nan
    assert np.isnan(value(name, prediction, target))
    assert np.isnan(score(made(name), made(name).sample_statistics(prediction, target)).low)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_that_cannot_be_judged_are_refused(name: str) -> None:
    prediction, target = drawn(0)
    with pytest.raises(ValueError, match="without scores"):
        made(name).update(target, target)
    with pytest.raises(ValueError, match="19 images and the target 20"):
        made(name).update(prediction[:19], target)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_order_of_images_and_batches_does_not_matter(name: str, seed: int, data: st.DataObject) -> None:
    prediction, target = drawn(seed)
    order = torch.tensor(data.draw(st.permutations(range(20))))
    cut = data.draw(st.integers(0, 20))
    metric = made(name)
    for part in (order[:cut], order[cut:]):
        metric.update(prediction[part], target[part])
    assert metric.compute() == pytest.approx(value(name, prediction, target), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_weight_is_how_often_an_image_is_there(name: str, seed: int) -> None:
    prediction, target = drawn(seed)
    metric, rng = made(name), np.random.default_rng(seed)
    stats = metric.sample_statistics(prediction, target)
    times = rng.integers(0, 3, 20)
    index = torch.tensor(np.repeat(np.arange(20), times))
    repeated = value(name, prediction[index], target[index])
    share = rng.random(20) + 0.1
    result = under(metric, stats, np.stack([times, 2 * times, share, 2 * share]).astype(float))
    assert result[:2] == pytest.approx([repeated] * 2, rel=1e-12, nan_ok=True)
    assert result[2] == pytest.approx(result[3], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_is_best_under_any_weights(name: str) -> None:
    target = replace(drawn(5, 60)[1], crowd=None, difficult=None)
    prediction = replace(target, scores=torch.linspace(0.1, 0.9, len(target.labels)))
    stats = made(name).sample_statistics(prediction, target)
    weights = np.random.default_rng(0).random((20, 60)) / 10
    assert under(made(name), stats, weights) == pytest.approx(np.ones(20), abs=1e-12)


def test_many_weightings_of_a_large_class_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, target = drawn(1, 50)
    weights = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(float)
    whole = [under(made(n), made(n).sample_statistics(prediction, target), weights) for n in NAMES]
    monkeypatch.setattr("sightline.metrics.functional.boxes._CHUNK", 200)
    monkeypatch.setattr("sightline.metrics.functional.matching._CHUNK", 10)
    apart = prediction[:]
    parts = [under(made(n), made(n).sample_statistics(apart, target), weights) for n in NAMES]
    assert np.array(parts) == pytest.approx(np.array(whole), rel=1e-12, nan_ok=True)


def test_all_metrics_of_one_evaluation_cost_one_match_and_say_what_each_says_alone() -> None:
    prediction, target = drawn(2)
    metrics = MetricCollection({name: made(name) for name in NAMES})
    metrics.update(prediction, target)
    assert metrics.computed == {("matches", "by_boxes"): 1}
    alone = {name: value(name, prediction[:], target[:]) for name in NAMES}
    assert metrics.compute() == pytest.approx(alone, abs=0, nan_ok=True)
    metrics.update(prediction, target)  # another batch, though an equal one
    assert metrics.computed == {("matches", "by_boxes"): 2}


def test_what_a_report_shows_of_boxes_costs_one_match() -> None:
    evaluation = Evaluation(*drawn(2))
    mistakes(evaluation)
    curves(evaluation, 3)
    average_precisions(evaluation, 3)
    assert evaluation.computed == {("matches", "by_boxes"): 1}


def test_statistics_compare_and_choose_by_image() -> None:
    prediction, target = drawn(3)
    stats = made("ap").sample_statistics(prediction, target)
    assert {k: v.shape for k, v in stats.items()} == {"detections": (20,), "objects": (20,)}
    again = made("ap").sample_statistics(prediction[:], target[:])
    assert all(np.array_equal(stats[k], again[k]) for k in stats)
    some = np.array([3, 3, 17])
    chosen = made("ap").sample_statistics(prediction[torch.tensor(some)], target[torch.tensor(some)])
    assert all(np.array_equal(stats[k][some], chosen[k]) for k in stats)


def test_curves_and_the_best_threshold() -> None:
    target = instances([(box(0), 0), (box(1), 0), (box(2), 1)])
    prediction = instances(
        [(box(0), 0, 0.9), (FAR, 0, 0.7), (box(1), 0, 0.7), (FAR, 0, 0.2), (box(2), 1, 0.4)]
    )
    first, second, third = curves(Evaluation(prediction, target), 3)
    assert first.objects == 2
    assert first.score == pytest.approx([0.9, 0.7, 0.2])  # equal scores come in together
    assert first.precision == pytest.approx([1, 2 / 3, 1 / 2])
    assert first.recall == pytest.approx([0.5, 1, 1])
    assert first.f1 == pytest.approx([2 / 3, 4 / 5, 2 / 3])
    assert first.f1_at(np.array([1.0, 0.9, 0.8, 0.7, 0.0])) == pytest.approx([0, 2 / 3, 2 / 3, 4 / 5, 2 / 3])
    assert first.precision_at(np.array([0.0, 0.5, 0.51, 1.0])) == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert (third.objects, len(third.score)) == (0, 0)
    scores, f1 = mean_f1([first, second, third])
    assert scores == pytest.approx([0.9, 0.7, 0.4, 0.2])
    assert f1 == pytest.approx([1 / 3, 2 / 5, 9 / 10, 5 / 6])
    assert best_threshold(Evaluation(prediction, target)) == pytest.approx(0.3)  # between 0.4 and 0.2
    shown = prediction.select(prediction.scores >= best_threshold(Evaluation(prediction, target)))
    assert shown.labels.tolist() == [0, 0, 0, 1]
    assert best_threshold(Evaluation(prediction[:0], target[:0])) == 0.25
    assert best_threshold(Evaluation(instances([(FAR, 0, 0.9)]), instances([(box(0), 0)])), 0.5) == 0.5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_curves_and_table_agree_with_the_metrics(seed: int) -> None:
    prediction, target = drawn(seed)
    table = average_precisions(Evaluation(prediction, target), 4)
    assert table.shape == (4, 10)
    with np.errstate(invalid="ignore"):
        expected = table[~np.isnan(table[:, 0])]
    if len(expected):
        assert expected.mean() == pytest.approx(value("ap", prediction, target))
        drawn_ap = [c.precision_at().mean() for c in curves(Evaluation(prediction, target), 4) if c.objects]
        assert np.mean(drawn_ap) == pytest.approx(value("ap50", prediction, target))
    at = best_threshold(Evaluation(prediction, target))
    scores, f1 = mean_f1(curves(Evaluation(prediction, target), 4))
    shown = [c.f1_at(np.array([at]))[0] for c in curves(Evaluation(prediction, target), 4) if c.objects]
    assert np.mean(shown) == pytest.approx(f1.max())
    assert len(scores) == len(set(scores))


def test_confusions_with_background() -> None:
    objects = [(box(0), 0), (box(1), 1), (box(2), 1), (box(3), 0)]
    target = instances(objects, [(box(0), 2)], difficult=[False, False, False, True, False])
    prediction = instances(
        [(box(0), 0, 0.9), (box(0), 1, 0.8), (box(1), 0, 0.7), (FAR, 2, 0.6), (box(3), 0, 0.9)],
        [(box(0), 2, 0.1)],
    )
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 0] = 1  # found
    expected[1, 0] = 1  # taken for another
    expected[1, 3] = 1  # missed
    expected[2, 3] = 1  # found, but below the threshold
    expected[3, 1] = 1  # found again: there is nothing left to be found
    expected[3, 2] = 1  # nothing there
    assert np.array_equal(confusion(prediction, target, 3, 0.5), expected)
    assert confusion(prediction, target, 3, 0.05)[2].tolist() == [0, 0, 1, 0]
    assert confusion(prediction[:0], target[:0], 3, 0.5).sum() == 0
    assert confusion(prediction, target[:1].select(torch.zeros(4).bool())[[0, 0]], 3, 0.5)[3].tolist() == [
        3,
        1,
        1,
        0,
    ]


def test_of_two_objects_in_one_place_each_is_found_by_its_own_class() -> None:
    for labels in ([0, 1], [1, 0]):
        target = instances([(box(0), k) for k in labels])
        prediction = instances([(box(0), 0, 0.9), (box(0), 1, 0.8)])
        assert np.array_equal(confusion(prediction, target, 2, 0.5), np.diag([1, 1, 0]))


def test_a_crowd_excuses_detections_of_its_own_class_only() -> None:
    target = instances([([0, 0, 100, 100], 0)], crowd=[True])
    prediction = instances(
        [([10, 10, 20, 20], 0, 0.9), ([30, 10, 40, 20], 0, 0.8), ([50, 10, 60, 20], 1, 0.7)]
    )
    expected = np.zeros((3, 3), dtype=int)
    expected[2, 1] = 1
    assert np.array_equal(confusion(prediction, target, 2, 0.5), expected)


GOOD = (box(9), 1)
"""An object of class 1 that is found, in the examples of mistakes."""
EXAMPLES: dict[str, tuple[list[Any], list[Any], float, dict[str, float]]] = {
    # Class 0: nothing. Class 1: wrong, right. Mended, both classes are right.
    "classification": ([(box(0), 0), GOOD], [(box(0), 1, 0.9), (*GOOD, 0.8)], 0.25, {"classification": 0.75}),
    # Class 0: a box with IoU 0.4 only.
    "localisation": (
        [(box(0), 0), GOOD],
        [([0, 0, 10, 4], 0, 0.9), (*GOOD, 0.8)],
        0.5,
        {"localisation": 0.5},
    ),
    # Class 0: one of two found. Class 1: wrong in class and place, right. The object stays missed.
    "both": (
        [(box(0), 0), (box(5), 0), GOOD],
        [([0, 0, 10, 4], 1, 0.9), (box(5), 0, 0.5), (*GOOD, 0.8)],
        (HALF + 0.5) / 2,
        {"both": 0.25, "missed": (1 - HALF) / 2},
    ),
    # Right, again, right: precision 1 up to recall 0.5, then 2/3.
    "duplicate": (
        [(box(0), 1), GOOD],
        [(box(0), 1, 0.9), ([0, 0, 10, 9], 1, 0.8), (*GOOD, 0.7)],
        (51 + 50 * 2 / 3) / 101,
        {"duplicate": 1 - (51 + 50 * 2 / 3) / 101},
    ),
    # Wrong, right.
    "background": ([GOOD], [([189.5, 0, 199.5, 10], 1, 0.9), (*GOOD, 0.8)], 0.5, {"background": 0.5}),
    # One of two found.
    "missed": ([(box(0), 1), GOOD], [(*GOOD, 0.8)], HALF, {"missed": 1 - HALF}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_mistake_and_its_price(kind: str) -> None:
    objects, outputs, ap50, cost = EXAMPLES[kind]
    result = mistakes(Evaluation(instances([], outputs), instances([], objects)))
    assert result.ap50 == pytest.approx(ap50)
    assert dict(result.cost) == pytest.approx(dict.fromkeys(KINDS, 0.0) | cost, abs=1e-12)
    number = next((i for i, row in enumerate(outputs) if row[:2] != GOOD), 0)
    expected = {kind: [[1, 1 if kind == "duplicate" else number]]}
    if kind == "both":
        expected["missed"] = [[1, 0]]
    assert {k: v.tolist() for k, v in result.where.items() if len(v)} == expected


def test_of_several_wrong_boxes_at_one_object_the_surest_is_mended() -> None:
    target = instances([(box(0), 0)])
    prediction = instances([([0, 0, 10, 4], 0, 0.9), ([0, 0, 10, 3], 0, 0.7), (FAR, 0, 0.8)])
    result = mistakes(Evaluation(prediction, target))
    assert result.where["localisation"].tolist() == [[0, 0], [0, 1]]  # by falling score
    assert len(result.where["missed"]) == 0
    assert (result.ap50, result.cost["localisation"]) == (0, 1)


@pytest.mark.parametrize("counts", [[240, 3], [130, 100], [101], [5]])
def test_the_limit_that_is_said_is_what_the_truth_itself_scores(counts: list[int]) -> None:
    target = instances(
        [([20 * i, 30 * k, 20 * i + 10, 30 * k + 9], k) for k, n in enumerate(counts) for i in range(n)]
    )
    perfect = replace(target, scores=torch.ones(len(target.labels)))
    best = value("ap50", perfect, target)
    assert crowded(target)[1] == pytest.approx(best, abs=1e-9)
    outputs = MeanAveragePrecision().limit(target)
    assert outputs.startswith(f"cannot exceed {best:.3f}") if best < 1 else outputs == ""


def test_a_class_that_is_missed_wholly_has_its_price() -> None:
    """Two of three classes are found: mended, the mean is over these, as in TIDE's own code."""
    target = instances([(box(0), 0), (box(2), 1), (box(5), 2)])
    prediction = instances([(box(0), 0, 0.9), (box(2), 1, 0.8)])
    result = mistakes(Evaluation(prediction, target))
    assert result.ap50 == pytest.approx(2 / 3)
    assert result.cost["missed"] == pytest.approx(1 / 3)
    nothing = prediction.select(prediction.scores > 1)  # type: ignore[operator]
    assert mistakes(Evaluation(nothing, target)).cost["missed"] == 1


def test_mistakes_leave_crowds_and_difficult_objects_out() -> None:
    target = instances([(box(0), 0), ([100, 0, 200, 100], 0), (box(2), 0)],
                      crowd=[False, True, False], difficult=[False, False, True])  # fmt: skip
    prediction = instances(
        [(box(0), 0, 0.5), ([110, 10, 120, 20], 0, 0.9), ([130, 10, 140, 20], 0, 0.8), (box(2), 0, 0.7)]
    )
    result = mistakes(Evaluation(prediction, target))
    assert result.ap50 == 1
    assert not any(len(v) for v in result.where.values())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_wrong_box_has_one_kind(seed: int) -> None:
    prediction, target = drawn(seed)
    result = mistakes(Evaluation(prediction, target))
    m = matches(Evaluation(prediction, target))
    wrong = ((m.found | m.ignored)[:, 0] & 1) == 0
    places = [tuple(x) for kind in KINDS[:-1] for x in result.where[kind].tolist()]
    assert len(places) == len(set(places)) == wrong.sum()
    if target.labels.numel():
        assert result.ap50 == pytest.approx(value("ap50", prediction, target), nan_ok=True)
    nothing = mistakes(Evaluation(prediction[:0], target[:0]))
    assert np.isnan(nothing.ap50)


def test_the_interval_lies_about_the_score_without_its_rise_on_few_images() -> None:
    """Of 30 sets of 20 images out of 400 nearly all have an interval that holds the score of all 400."""
    prediction, target = drawn(0, images=400)
    metric = made("ap50")
    stats, rng, inside, above = metric.sample_statistics(prediction, target), np.random.default_rng(0), 0, 0.0
    whole = metric.compute_from(stats)
    for seed in range(30):
        chosen = rng.integers(0, 400, 20)
        interval = score(metric, {k: v[chosen] for k, v in stats.items()}, seed=seed)
        assert interval.low <= interval.value <= interval.high
        inside += interval.low <= whole <= interval.high
        above += (interval.value - (interval.low + interval.high) / 2) / 30
    assert inside >= 27
    assert above > 0
    assert "rise on few images removed" in interval.method
