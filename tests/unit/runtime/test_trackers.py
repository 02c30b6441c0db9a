"""Trackers: who is who from frame to frame, by arrays alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from sightline.runtime.track import TRACKERS, tracker_type
from sightline.runtime.track.association import assign, iou, pairs
from sightline.runtime.track.base import Tracker, TrackSettings
from sightline.runtime.track.scores import calibrated, in_unit, ranks
from sightline.runtime.track.sequence import filled

every_tracker = pytest.mark.parametrize("name", TRACKERS.names())
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
costs = shapes.flatmap(lambda s: arrays(float, s, elements=st.integers(0, 9).map(float)))
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def at(x: float, y: float = 50.0, side: float = 20.0) -> list[float]:
    return [x, y, x + side, y + side]


def eager(name: str, rate: float = 25.0) -> Tracker:
    """A tracker that gives identities at once and waits for ten frames."""
    kind = tracker_type(name)
    return kind(TrackSettings(min_iou=kind.defaults.min_iou, max_unseen=10), rate)


@given(costs)
@unhurried
def test_assignment_costs_as_little_as_that_of_scipy(cost: np.ndarray) -> None:
    rows, columns = assign(cost)
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == min(cost.shape)
    assert cost[rows, columns].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())


@given(costs, st.integers(1, 9))
@unhurried
def test_pairs_are_the_best_of_those_allowed(values: np.ndarray, least: int) -> None:
    rows, columns = pairs(values, values >= least)
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    worth = np.where(values >= least, values, 0)
    assert (values[rows, columns] >= least).all()
    assert worth[rows, columns].sum() == worth[linear_sum_assignment(worth, maximize=True)].sum()


def test_overlap_of_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [3, 3, 3, 3]], dtype=float)
    assert iou(boxes[:1], boxes)[0].tolist() == [1, pytest.approx(1 / 3), 0]


@every_tracker
def test_two_that_pass_each_other_stay_themselves(name: str) -> None:
    tracker = eager(name)
    for t in range(30):
        ids = tracker.update([at(10 + 5 * t, 50), at(160 - 5 * t, 58)])
        assert ids.tolist() == [1, 2], f"frame {t}"


@every_tracker
def test_an_object_that_is_hidden_gets_its_identity_back(name: str) -> None:
    tracker = eager(name)
    for t in range(20):
        ids = tracker.update([] if t in (9, 10, 11, 12) else [at(10 + 4 * t)])
        assert ids.tolist() == ([] if t in (9, 10, 11, 12) else [1])


@every_tracker
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_identities_begin_at_one_and_none_is_left_out(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracker = tracker_type(name)()
    for _ in range(2):
        seen: list[int] = []
        for _ in range(25):
            corners = rng.uniform(0, 200, (int(rng.integers(0, 12)), 2))
            boxes = np.concatenate([corners, corners + rng.uniform(5, 60, corners.shape)], 1)
            ids = tracker.update(boxes, rng.uniform(0, 1, len(boxes)))
            owned = ids[ids != -1].tolist()
            assert len(set(owned)) == len(owned)
            seen += [k for k in owned if k not in seen]
        assert sorted(seen) == list(range(1, len(seen) + 1))
        tracker.reset()


def test_sort_waits_for_one_frame() -> None:
    tracker = tracker_type("sort")()
    seen = [tracker.update([] if t in (4, 7, 8) else [at(10)]).tolist() for t in range(12)]
    assert seen == [[-1], [-1], [1], [1], [], [1], [1], [], [], [-1], [-1], [2]]


@every_tracker
def test_weak_boxes_begin_no_track_but_bytetrack_continues_one(name: str) -> None:
    tracker = eager(name)
    assert tracker.update([at(10)], [0.3]).tolist() == [-1]
    assert tracker.update([at(10)], [0.9]).tolist() == [1]
    again = tracker.update([at(11)], [0.3]).tolist()
    assert again == ([1] if name != "sort" else [-1])
    assert tracker.update([at(11)], [0.05]).tolist() == [-1]


@pytest.mark.parametrize("name", ["bytetrack", "ocsort"])
def test_time_stamps_tell_how_far_an_object_went(name: str) -> None:
    times = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.44, 0.48]  # three frames were dropped
    stamped, counted = eager(name), eager(name)
    by_time = [stamped.update([at(250 * t)], seconds=t).tolist() for t in times]
    by_count = [counted.update([at(250 * t)]).tolist() for t in times]
    assert by_time == [[1]] * len(times)
    assert by_count[-1] == [2], "where frames are thought to be equally far apart"
    with pytest.raises(ValueError, match="order of time"):
        stamped.update([], seconds=0.3)


def test_the_class_of_a_track_is_that_of_most_of_its_score() -> None:
    tracker = eager("bytetrack")
    for score, label in ((0.9, 2), (0.9, 2), (0.95, 0)):
        ids = tracker.update([at(10)], [score], [label])
    assert tracker.classes(ids).tolist() == [2]


@every_tracker
def test_a_thousand_objects_and_none(name: str) -> None:
    tracker = eager(name)
    corners = np.stack(np.meshgrid(np.arange(40) * 30.0, np.arange(25) * 30.0), -1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + 20], 1)
    assert tracker.update(np.zeros((0, 4))).tolist() == []
    assert sorted(tracker.update(boxes).tolist()) == list(range(1, 1001))
    assert sorted(tracker.update(boxes + 1).tolist()) == list(range(1, 1001))
    with pytest.raises(ValueError, match="2 have a score"):
        tracker.update(boxes[:1], [0.5, 0.5])


def test_scores_of_any_range_become_ranks() -> None:
    assert ranks([133, 0.14, 5, 5]).tolist() == [1, 0.25, 0.625, 0.625]
    assert not in_unit([0.14, 133])
    assert not in_unit([-1, -1])
    assert in_unit([0.1, 0.9])


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_threshold_becomes_what_may_begin_a_track(threshold: float, to: float) -> None:
    low, cut, high = calibrated([0.0, threshold, 1.0], threshold, to)
    assert (low, high) == (0, pytest.approx(1))
    assert cut == pytest.approx(to)


@given(st.lists(
    st.tuples(st.integers(1, 2**31), st.integers(0, 99), st.sets(st.integers(1, 60), min_size=1)),
    min_size=1, max_size=5, unique_by=lambda track: track[0],
), st.integers(0, 60))  # fmt: skip
@unhurried
def test_filled_tracks_have_each_frame_of_a_gap_once(
    tracks: list[tuple[int, int, set[int]]], most: int
) -> None:
    rows = [[t, k, 3 * t, t, 3 * t + 9, t + 9, 0.9, label] for k, label, times in tracks for t in times]
    wanted = set()
    for identity, label, times in tracks:
        seen = sorted(times)
        gaps = [range(a, b) for a, b in pairwise(seen) if b - a <= most + 1]
        wanted |= {(t, identity, label) for t in {*seen, *(t for gap in gaps for t in gap)}}
    result = filled(np.array(rows, dtype=float), most)
    numbers = result[:, [0, 1, 7]].astype(np.int64)
    assert sorted(map(tuple, numbers.tolist())) == sorted(wanted)
    assert (np.diff(numbers[:, 0]) >= 0).all()
    assert result[:, 2] == pytest.approx(3 * numbers[:, 0]), "they lie on the straight line"
