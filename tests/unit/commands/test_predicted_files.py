"""`evaluate` and `compare` with --task: predictions in files, made by any tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import sightline as sl
from sightline.data.formats.yolo import write
from sightline.data.open import open_data
from sightline.errors import DataError, UsageError


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images with boxes, as YOLO."""
    return write(open_data("shapes:boxes:8"), tmp_path_factory.mktemp("data") / "truth")


def labels(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.txt") if p.parent.name != folder.name)


def test_the_annotations_themselves_score_best_and_a_missing_box_is_missed(
    boxes: Path, tmp_path: Path
) -> None:
    results = sl.evaluate(boxes, str(boxes), task="detect", split="all")
    assert results.scores["mAP50-95"].value == pytest.approx(1)
    assert results.n == 8
    worse = shutil.copytree(boxes, tmp_path / "worse")
    lines = labels(worse)[0].read_text().splitlines()
    labels(worse)[0].write_text("\n".join(lines[1:]))
    scores = sl.evaluate(worse, str(boxes), task="detect", split="all", out=tmp_path / "page.html").scores
    assert 0.5 < scores["mAP50-95"].value < 1
    stored = json.loads((tmp_path / "page.json").read_text())
    assert stored["scores"]["mAP50-95"]["value"] == pytest.approx(scores["mAP50-95"].value)
    assert "predictions" in (tmp_path / "page.html").read_text()
    comparison = sl.compare(boxes, worse, data=str(boxes), task="detect")
    assert comparison.pairs[0].n == 8
    assert comparison.pairs[0].lines["mAP50-95"].test.difference.value > 0


def test_what_cannot_be_paired_is_refused(boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs annotations too"):
        sl.evaluate(boxes, task="detect")
    with pytest.raises(UsageError, match="goes with --task"):
        sl.compare(boxes, boxes, data=str(boxes))
    with pytest.raises(UsageError, match="two or more"):
        sl.compare(boxes, data=str(boxes), task="detect")
    fewer = shutil.copytree(boxes, tmp_path / "fewer")
    image = next(p for p in sorted(fewer.rglob("*")) if p.suffix in (".png", ".jpg"))
    labels(fewer)[0].unlink()
    image.unlink()
    with pytest.raises(DataError, match="1 of 8 annotated items have no prediction"):
        sl.evaluate(fewer, str(boxes), task="detect", split="all")


GT = "".join(f"{f},{i},{10 * f},{50 * i},20,40,1,1,1\n" for f in range(1, 6) for i in (1, 2))


def test_tracks_of_another_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "walk" / "gt"
    truth.mkdir(parents=True)
    (truth / "gt.txt").write_text(GT)
    (tmp_path / "mine.txt").write_text(GT.replace(",1,1,1\n", ",0.5,-1,-1,-1\n"))
    results = sl.evaluate(tmp_path / "mine.txt", str(truth / "gt.txt"), task="track")
    assert results.scores["HOTA"].value == pytest.approx(1)
    assert any("fewer than 5" in text for text in results.conclusions)
    zero = "".join(f"{int(line[0]) - 1}{line[1:]}\n" for line in GT.splitlines())
    (tmp_path / "zero.txt").write_text(zero)
    shifted = sl.evaluate(tmp_path / "zero.txt", str(truth.parent), task="track")
    assert shifted.scores["HOTA"].value == pytest.approx(1)
    assert "frames-from-zero" in capsys.readouterr().err
    (tmp_path / "long.txt").write_text(GT + "6,1,1,1,9,9,1,1,1\n")
    with pytest.raises(DataError, match="1 boxes lie after the last frame"):
        sl.evaluate(tmp_path / "long.txt", str(tmp_path / "walk"), task="track")


def test_scores_with_distractors_are_told_beside(tmp_path: Path) -> None:
    truth = tmp_path / "MOT17-02" / "gt"
    truth.mkdir(parents=True)
    (truth / "gt.txt").write_text(GT + "".join(f"{f},3,300,300,20,40,1,8,1\n" for f in range(1, 6)))
    (tmp_path / "mine.txt").write_text(GT + "".join(f"{f},7,300,300,20,40,1,1,1\n" for f in range(1, 6)))
    results = sl.evaluate(tmp_path / "mine.txt", str(truth.parent), task="track")
    assert results.scores["HOTA"].value == pytest.approx(1)
    assert any(text.startswith("With all classes as objects: HOTA") for text in results.conclusions)
