"""Tracking of given detections: sequences in, tracks out, scored between a floor and a ceiling."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sightline as sl
from sightline.core.targets.tracks import Tracks
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.inference import untrained
from sightline.metrics.functional import tracks as functional
from sightline.runtime.track.sequence import filled
from sightline.tasks import task_type
from sightline.tasks.track._figures import annotated


def scores(found: Tracks, target: Tracks) -> dict[str, float]:
    metrics = task_type("track")(None, None).metrics()
    return {name: m.compute_from(m.sample_statistics(found, target)) for name, m in metrics.items()}


def tracked(source: Path, model: str = "bytetrack", **settings: Any) -> tuple[Tracks, Tracks]:
    """What a tracker makes of the given detections of a folder of sequences, and the annotations."""
    predictor = untrained.predictor(f"track:{model}", "cpu")
    assert predictor is not None
    predictor.settings |= settings
    parts = [outcome.prediction for outcome in predictor.predict(str(source))]
    dataset = open_data(str(source), target_type="tracks")
    return Tracks.cat(parts), dataset.targets


def test_scores_that_are_no_probabilities_are_ranked_and_it_is_said(
    data_folder: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """TUD-Campus: scores from 0.14 to 133."""
    result = scores(*tracked(data_folder("tud_campus_mot") / "TUD-Campus"))
    assert result["HOTA"] >= 0.40
    assert result["IDF1"] >= 0.55
    assert "run from 0.14207 to 133.21, and are replaced by their ranks" in capsys.readouterr().err


def test_tracking_of_a_modern_detector(data_folder: Any) -> None:
    """Faster R-CNN on TUD-Campus and TUD-Stadtmitte, with the defaults."""
    found, target = tracked(data_folder("tud_mot_text"))
    assert scores(found[0], target[0])["HOTA"] >= 0.51
    assert scores(found[1], target[1])["HOTA"] >= 0.535
    online = scores(found, target)["HOTA"]
    assert online > scores(*tracked(data_folder("tud_mot_text"), "sort"))["HOTA"] + 0.02
    assert scores(*tracked(data_folder("tud_mot_text"), fill_gaps=10))["HOTA"] > online


def test_annotated_boxes_get_their_identities_back(data_folder: Any, tmp_path: Path) -> None:
    flies = data_folder("sleap_two_flies") / "TwoFlies"
    shutil.copytree(flies / "gt", tmp_path / "flies" / "gt")
    shutil.copytree(flies / "gt", tmp_path / "flies" / "det")
    (tmp_path / "flies" / "det" / "gt.txt").rename(tmp_path / "flies" / "det" / "det.txt")
    assert scores(*tracked(tmp_path / "flies"))["HOTA"] >= 0.995


def test_the_ceiling_is_what_the_boxes_allow(data_folder: Any) -> None:
    found, target = tracked(data_folder("tud_mot_text"))
    ceiling = scores(annotated(found, target), target)
    mine = scores(found, target)
    assert ceiling["HOTA"] > mine["HOTA"]
    assert ceiling["DetA"] == pytest.approx(mine["DetA"], abs=0.02), "the boxes are the same"


def test_a_tracker_is_scored_like_any_model(tmp_path: Path) -> None:
    data = tmp_path / "set"
    moving = task_type("track").synthetic_dataset(24, 96, seed=0)
    from sightline.data.formats.motchallenge import write

    write(moving, data)
    run = sl.train(str(data), task="track", out=tmp_path / "run")
    stored = json.loads((Path(run.path) / "results.json").read_text(encoding="utf-8"))
    assert set(stored["baselines"]) == {"unique", "overlap"}
    assert stored["baselines"]["unique"]["HOTA"]["value"] < stored["scores"]["HOTA"]["value"] - 0.3
    assert sl.evaluate(run.path).scores["HOTA"].value == stored["scores"]["HOTA"]["value"] > 0.8
    found, target = tracked(data)
    table, each, counts = task_type("track")(None, None).figures(found, target, list(moving.ids), {})
    assert len(each.rows) == 24
    assert [row[0] for row in counts.rows] == [*moving.ids, "all"]
    assert [row[0] for row in table.rows] == ["each box another object (floor)", "as tracked",
                                             "as annotated (ceiling)"]  # fmt: skip
    with pytest.raises(UsageError, match="cannot be exported: it is no network"):
        sl.export(run.path)
    sl.predict(run.path, [str(data)], out=tmp_path / "tracks", to="motchallenge")
    files = sorted((tmp_path / "tracks").iterdir())
    assert len(files) == 24
    again = open_data(str(tmp_path / "tracks"), target_type="tracks")
    assert not found.differs(again.targets).any(), "what is written is what was found"


def test_the_ceiling_takes_the_identities_of_boxes_that_are_scored() -> None:
    """A box that is set aside lies nearer."""
    rows = [[t, k, 0, 0, 10, 10 + k] for t in (1, 2) for k in (1, 2)]
    target = replace(Tracks.of([rows], [(50, 50)]), ignored=torch.tensor([False, True] * 2))
    found = Tracks.of([[[t, t, 0, 0, 10, 12] for t in (1, 2)]], [(50, 50)])
    assert annotated(found, target).ids.tolist() == [1, 1]


def test_the_boxes_of_a_row_of_the_report_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Tracks.synthetic(3, 96, seed=0).targets
    compared = Counter[str]()
    whole = functional._overlaps

    def counted(prediction: Any, target: Any) -> Any:
        compared["tables"] += 1
        return whole(prediction, target)

    monkeypatch.setattr(functional, "_overlaps", counted)
    task_type("track")(None, None).figures(target, target, ["a", "b", "c"], {})
    assert compared["tables"] <= 3 + 3 + 2, "three rows, three sequences, the ceiling, the counts"


def test_sequences_without_detections_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, file in (("bare", "gt/gt.txt"), ("given", "det/det.txt"), ("empty", "seqinfo.ini")):
        (tmp_path / name / file).parent.mkdir(parents=True)
        text = "[Sequence]\n" if file == "seqinfo.ini" else "1,1,10,20,30,40,0.9\n"
        (tmp_path / name / file).write_text(text)
    sl.predict("track:bytetrack", [str(tmp_path)], out=tmp_path / "tracks", to="motchallenge")
    assert [file.name for file in (tmp_path / "tracks").iterdir()] == ["given.txt"]
    words = "2 of 3 sequences have no det/det.txt and are left out: bare, empty."
    assert capsys.readouterr().err.count(words) == 1


def test_gaps_are_filled_along_straight_lines() -> None:
    rows = np.array([[1, 7, 0, 0, 10, 10, 0.9, 1], [4, 7, 30, 0, 40, 10, 0.9, 1], [9, 7, 0, 0, 1, 1, 0.9, 1]])
    result = filled(rows, 2)
    assert result[:, 0].tolist() == [1, 2, 3, 4, 9]
    assert result[1:3, 2].tolist() == [10, 20]


def test_models_that_must_be_trained_say_so() -> None:
    with pytest.raises(UsageError, match="must be trained first: sightline train DATA --task detect"):
        untrained.predictor("detect:yolo-n", "cpu")
    assert untrained.predictor("runs/photos-1", "cpu") is None
