"""tune searches options of the task where there is no learning rate: the thresholds of trackers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.errors import DataError

pytest.importorskip("optuna")

THRESHOLDS = ("least_score", "first_score", "start_score", "min_iou", "max_unseen")


def write_films(root: Path, count: int) -> Path:
    """Films of MOTChallenge of four objects, whose detections are so weak that no tracker begins a track."""
    for k in range(count):
        rng, folder = np.random.default_rng(k), root / f"film-{k}"
        places, speeds = rng.uniform(50, 500, (4, 2)), rng.normal(0, 3, (4, 2))
        rows = [[f, i + 1, *(places[i] + f * speeds[i]), 40, 60] for f in range(1, 31) for i in range(4)]
        given = [[row[0], -1, *row[2:], rng.uniform(0.3, 0.75)] for row in rows if rng.random() < 0.9]
        for name, lines in (("gt", [[*row, 1, 1, 1] for row in rows]), ("det", given)):
            (folder / name).mkdir(parents=True)
            np.savetxt(folder / name / f"{name}.txt", lines, "%.3f", ",")
    return root


def test_thresholds_of_a_tracker_are_searched_on_validation(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 5)
    result = sl.tune(
        str(films), task="track", model="bytetrack", trials=6, min_iou=0.05, out=tmp_path / "search"
    )
    trials = json.loads((tmp_path / "search/tune.json").read_text())["trials"]
    searched = [name for name in THRESHOLDS if name != "min_iou"]
    assert [name for name in trials[0] if name in THRESHOLDS] == searched, "what is given stays fixed"
    assert [trials[0][name] for name in searched] == [None] * 4, "the first trial has the defaults"
    assert trials[0]["HOTA"] == 0, "no detection is as sure as the defaults want"
    best = max(trials, key=lambda row: row["HOTA"])
    assert best["HOTA"] > 0.5
    assert result.best == {name: best[name] for name in searched}
    assert "--start-score" in result.note
    assert "validation sequence; the test sequences stayed closed" in result.note
    assert "default" in [row[1] for row in result.rows]


def test_one_sequence_alone_is_refused_with_its_number(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 1)
    with pytest.raises(
        DataError,
        match=r"train part has 1 sequence, at least 2 are needed\. The whole set has 1\. Add sequences",
    ):
        sl.tune(str(films), task="track", trials=2, out=tmp_path / "search")
    assert not (tmp_path / "search").exists()
