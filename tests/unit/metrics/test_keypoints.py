"""Metrics of keypoints by worked examples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import Evaluation
from sightline.core.skeleton import DEFAULT_SIGMA, Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.metrics import METRICS
from sightline.metrics.functional.keypoints import (
    chosen_reference,
    named_pairs,
    point_errors,
    reference_lengths,
)
from sightline.metrics.intervals import under
from sightline.metrics.oks import OksPrecision
from sightline.metrics.pck import REFERENCES, Pck
from sightline.metrics.point_error import MedianPointError, Nme, PointError, PointRmse

NAMES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
SQUARE = [[10.0, 0.0], [0.0, 0.0], [10.0, 10.0], [0.0, 10.0]]
"""Its diagonals are 10 times the root of 2."""


def poses(
    *images: list[list[list[float]]], visibility: Any = None, names: tuple[str, ...] = NAMES
) -> Keypoints:
    """Images of objects of points."""
    points = torch.tensor([pose for image in images for pose in image]).float().reshape(-1, len(names), 2)
    shown = torch.full(points.shape[:2], 2) if visibility is None else torch.tensor(visibility)
    counts = torch.tensor([len(image) for image in images])
    return Keypoints.of(torch.full((len(images), 2), 100), counts, points, shown, Skeleton.from_names(names))


def moved(target: Keypoints, shifts: Any) -> Keypoints:
    shift = torch.tensor(shifts).float().reshape(len(target.labels), -1, 2)
    return replace(target.as_prediction(1), points=target.points + shift)


def shifted(right: float) -> list[list[float]]:
    return [[x + right, y] for x, y in SQUARE]


def value(metric: Any, prediction: Keypoints, target: Keypoints) -> float:
    metric.update(prediction, target)
    return float(metric.compute())


def test_errors_of_four_points() -> None:
    target = poses([SQUARE])
    prediction = moved(target, [[3, 4], [0, 0], [0, 1], [2, 0]])  # 5, 0, 1, 2 pixels
    assert value(PointError(), prediction, target) == pytest.approx(2)
    assert value(MedianPointError(), prediction, target) == pytest.approx(1.5)
    assert value(PointRmse(), prediction, target) == pytest.approx(math.sqrt(30 / 4))
    assert value(Nme(), prediction, target) == pytest.approx(2 / math.hypot(10, 10)), "of the box's diagonal"
    assert value(Pck(0.2), prediction, target) == 0.75, "within 2.83 pixels"
    assert value(Pck(0.1), prediction, target) == 0.5, "within 1.41 pixels"
    assert value(Pck(0.1, "box"), prediction, target) == 0.5
    assert value(Pck(0.5, "left_hip/right_hip"), prediction, target) == 1


def test_points_that_are_not_labeled_count_nowhere_and_hidden_ones_count() -> None:
    target = poses([SQUARE], visibility=[[0, 1, 2, 2]])
    prediction = moved(poses([SQUARE]), [[90, 90], [4, 0], [0, 0], [0, 0]])
    assert value(PointError(), prediction, target) == pytest.approx(4 / 3)
    assert value(Pck(), prediction, target) == pytest.approx(2 / 3)


def test_a_missed_object_is_wrong_for_pck_and_has_no_distance() -> None:
    target = poses([SQUARE], [SQUARE])
    prediction = moved(target, np.ones((2, 4, 2)))
    none = prediction.select(torch.tensor([True, False]))
    assert value(Pck(), none, target) == 0.5
    assert value(PointError(), none, target) == pytest.approx(math.sqrt(2))


def test_several_people_are_paired_as_a_whole() -> None:
    """The nearest for each by itself would give both to one."""
    far = shifted(40)
    target = poses([SQUARE, far])
    outputs = [shifted(18), shifted(100)]
    prediction = poses([outputs[1], outputs[0]]).as_prediction(1)
    assert value(PointError(), prediction, target) == pytest.approx((18 + 60) / 2)


def test_where_the_torso_is_not_labeled_the_other_diagonal_counts_else_the_object_is_left_out() -> None:
    target = poses([SQUARE], [SQUARE], [SQUARE], visibility=[[2, 2, 2, 2], [0, 2, 2, 2], [0, 0, 2, 2]])
    lengths = reference_lengths(target, "torso")
    assert lengths[:2] == pytest.approx([math.hypot(10, 10)] * 2)
    assert math.isnan(lengths[2])
    right = moved(target, np.zeros((3, 4, 2)))
    stats = Pck().sample_statistics(right, target)
    assert stats["points"].tolist() == [4, 3, 0]
    assert "leaves out 1 of 3 objects" in Pck().limit(target)
    assert not Pck().limit(target[:2])
    assert not Pck(0.1, "box").limit(target)


@pytest.mark.parametrize(
    ("names", "reference"),
    [
        (NAMES, "torso"),
        (("L_shoulder", "R_shoulder", "L_hip", "R_hip"), "torso"),
        (("Left shoulder", "b", "c", "Right hip"), "torso"),
        (("snout", "leftear", "rightear", "tailbase"), "box"),
    ],
)
def test_the_torso_is_known_by_its_names(names: tuple[str, ...], reference: str) -> None:
    assert chosen_reference(Skeleton.from_names(names), REFERENCES) == reference


def test_faces_are_measured_by_the_corners_of_their_eyes() -> None:
    names = ("left_eye_center", "right_eye_center", "left_eye_inner_corner", "left_eye_outer_corner",
             "right_eye_outer_corner", "nose")  # fmt: skip
    assert named_pairs(Skeleton.from_names(names), "eyes") == [(3, 4), (0, 1), (0, 1)]
    target = poses([[[3.0, 0.0], [7.0, 0.0], [4.0, 0.0], [0.0, 0.0], [10.0, 0.0], [5.0, 5.0]]], names=names)
    assert value(Nme(), moved(target, np.ones((6, 2))), target) == pytest.approx(math.sqrt(2) / 10)


def test_a_mirrored_name_is_no_pair_of_another() -> None:
    assert named_pairs(Skeleton.from_names(["a", "b"]), "a/b") == [(0, 1)]
    assert named_pairs(Skeleton.from_names(["a", "b"]), "a/c") == []


def test_oks_of_one_point_is_that_of_the_formula() -> None:
    target = replace(poses([SQUARE], names=("a", "b", "c", "d")), areas=torch.tensor([100.0]))
    variance = 2 * 100 * (2 * DEFAULT_SIGMA) ** 2
    for distance, right in ((0.5, 1.0), (1.5, 0.0)):
        similarity = math.exp(-(distance**2) / variance)
        assert (similarity >= 0.5) == bool(right)
        assert value(OksPrecision(0.5), moved(target, [[0, distance]] * 4), target) == right


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=6), st.integers(0, 10**6))
def test_the_weighted_median_is_that_of_repeated_points(times: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = poses(*[[SQUARE] for _ in times])
    prediction = moved(target, rng.integers(0, 5, (len(times), 4, 2)))
    metric = MedianPointError()
    stats = metric.sample_statistics(prediction, target)
    distance = np.linalg.norm((prediction.points - target.points).numpy(), axis=2)
    repeated = np.repeat(distance, times, axis=0)
    expected = np.median(repeated) if repeated.size else math.nan
    assert under(metric, stats, np.array([times], float))[0] == pytest.approx(expected, nan_ok=True)


def test_points_are_compared_once_for_all_metrics() -> None:
    target = poses([SQUARE], [SQUARE])
    evaluation = Evaluation(moved(target, np.zeros((2, 4, 2))), target)
    for name in ("pck@0.1", "pck@0.2", "point-error", "point-rmse", "nme", "median-point-error"):
        METRICS.load(name).METRIC().add(evaluation)
    for name in ("oks-ap", "oks-ap50", "oks-ar"):
        METRICS.load(name).METRIC().add(evaluation)
    assert evaluation.computed == {"point errors": 1, "length of torso": 1, "oks": 1}
    assert len(point_errors(evaluation).distance) == 8
