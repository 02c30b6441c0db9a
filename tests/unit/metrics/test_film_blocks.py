"""Intervals of a single film count blocks of its frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.track_coverage import coverage, film, worse

import sightline as sl
from sightline.core.metric import Evaluation
from sightline.core.targets.tracks import Tracks
from sightline.metrics.clear import METRICS as CLEAR
from sightline.metrics.functional.film_blocks import dependence
from sightline.metrics.functional.weighted import Weighted
from sightline.metrics.hota import METRICS as HOTA
from sightline.metrics.idf1 import Idf1
from sightline.metrics.intervals import score, score_in_blocks

METRICS: list[Weighted] = [HOTA["hota"](), HOTA["assa"](), CLEAR["mota"](), CLEAR["motp"](), Idf1()]


def test_about_95_percent_of_the_intervals_hold_the_expected_score() -> None:
    """Of single frames or shorter blocks they do not; see benchmarks/track_coverage.py for more films."""
    found = coverage(2000, 30, 3, 40, films=40)
    assert found["films with an interval"] > 30
    for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1"):
        assert found[name] >= 0.85, (name, found)


def test_frames_alone_would_promise_too_much() -> None:
    evaluation = Evaluation(*film(3000, 40, 3, 60, seed=1))
    metric = HOTA["deta"]()
    blocks = metric.blocks(evaluation)
    assert blocks is not None
    assert blocks.stats is not None
    mine = score_in_blocks(metric, blocks, metric.from_evaluation(evaluation))
    naive = score(metric, {k: np.repeat(v, 50, 0) / 50 for k, v in blocks.stats.items()})
    assert mine.high - mine.low > 3 * (naive.high - naive.low)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.card.name)
def test_blocks_add_up_to_the_film(metric: Weighted) -> None:
    evaluation = Evaluation(*film(2000, 30, 3, 40, seed=0))
    blocks = metric.blocks(evaluation)
    assert blocks is not None
    assert blocks.stats is not None
    assert blocks.words == f"{len(blocks.stats[next(iter(blocks.stats))])} blocks of 133 frames of one film"
    whole = metric.from_evaluation(evaluation)
    for name, values in blocks.stats.items():
        assert values.sum(0) == pytest.approx(whole[name][0], rel=1e-12), name
    made = score_in_blocks(metric, blocks, whole)
    assert made.value == pytest.approx(metric.compute_from(whole), rel=1e-12)
    assert made.low < made.value < made.high
    assert blocks.words in made.method


def test_several_films_have_no_blocks() -> None:
    pairs = [film(300, 30, 3, 40, seed) for seed in (1, 2)]
    both = (Tracks.cat([pair[k] for pair in pairs]) for k in (0, 1))
    assert HOTA["hota"]().blocks(Evaluation(*both)) is None
    assert CLEAR["mostly-tracked"]().blocks(Evaluation(*pairs[0])) is None


def test_blocks_are_as_long_as_errors_depend_on_each_other() -> None:
    rng = np.random.default_rng(0)
    alone = rng.binomial(10, 0.7, 4000).astype(float)
    weather = np.repeat(rng.uniform(0.3, 1, 40), 100)
    long = rng.binomial(10, weather).astype(float)
    whole = np.full(4000, 10.0)
    assert dependence(alone, whole) < 10
    assert 50 < dependence(long, whole) < 600
    assert dependence(whole, whole) == 1


def saved(tracks: Tracks, file: Path) -> Path:
    corners = tracks.boxes.numpy()
    sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    ends = np.tile([1.0, -1, -1, -1], (len(sides), 1))
    np.savetxt(file, np.column_stack([tracks.frames, tracks.ids, sides, ends]), "%g", ",")
    return file


def test_evaluate_prints_the_blocks_and_a_short_film_says_why_it_has_none(tmp_path: Path) -> None:
    for frames, says in (
        (2000, "blocks of 133 frames of one film"),
        (300, "none: fewer than 10 blocks of"),
    ):
        found, target = film(frames, 30, 3, 40, seed=0)
        data = str(saved(target, tmp_path / "gt.txt"))
        results = sl.evaluate(saved(found, tmp_path / "tracks.txt"), data, task="track")
        assert says in results.conclusions[0]
        assert says in results.scores["IDF1"].method


def test_trackers_are_compared_over_the_same_blocks_of_one_film(tmp_path: Path) -> None:
    """One that misses boxes in half of the film is worse, and a tracker is not better than itself."""
    for frames, says in ((2000, "frames of one film"), (300, "none: fewer than 10 blocks of")):
        found, target = film(frames, 30, 3, 40, seed=0)
        data = str(saved(target, tmp_path / "gt.txt"))
        good = saved(found, tmp_path / "good.txt")
        bad = saved(worse(found, 0.5, 40, seed=1), tmp_path / "bad.txt")
        same = saved(found, tmp_path / "same.txt")
        pairs = [sl.compare(good, other, data=data, task="track").pairs[0] for other in (bad, same)]
        different, equal = pairs
        assert says in different.lines["HOTA"].test.method
        assert different.lines["HOTA"].test.difference.value > 0.02
        assert different.lines["HOTA"].better == ("first" if frames == 2000 else "")
        assert equal.lines["HOTA"].better == ""
        assert equal.lines["HOTA"].test.difference.value == 0
