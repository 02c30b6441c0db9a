"""A tracker that looks at clips, and is not trained, costs one task folder; its data cost a format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.errors import UsageError

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture(scope="module")
def run(plugins: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(sl.train("moving", out=tmp_path_factory.mktemp("runs") / "run", device="cpu").path)


def scores(run: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((run / "results.json").read_text())["scores"]
    return found


def test_identities_last_where_objects_are_hidden_for_a_frame(run: Path, tmp_path: Path) -> None:
    score = scores(run)["IDF1"]
    assert score["value"] > 0.95
    assert score["n"] == 6, "of 40 sequences"
    still = sl.train("moving", motion=False, out=tmp_path / "still").path
    assert scores(Path(still))["IDF1"]["value"] < score["value"] - 0.1, "without the Kalman filter"
    assert sl.evaluate(run, out=tmp_path / "page.html").scores["IDF1"].value == score["value"]


def test_each_object_has_one_id_in_all_frames_of_a_clip(run: Path, tmp_path: Path) -> None:
    clip = np.zeros((10, 96, 96, 3), np.uint8)
    for frame in range(10):
        clip[frame, 4:20, 4 + 6 * frame : 20 + 6 * frame] = 255
        clip[frame, 60:76, 70 - 6 * frame : 86 - 6 * frame] = 255
    np.save(tmp_path / "clip.npy", clip)
    sl.predict(run, [str(tmp_path / "clip.npy")], out=tmp_path / "tracks.jsonl", device="cpu")
    line = json.loads((tmp_path / "tracks.jsonl").read_text())
    assert (line["objects"], line["boxes"]) == (2, 20)
    above = [t for t in line["tracks"] if t["y1"] < 48]
    assert len({t["id"] for t in above}) == 1
    assert [t["frame"] for t in above] == list(range(1, 11))
    last = above[-1]  # in pixels of this clip, which is twice as large as those of the data
    assert [last[k] for k in ("x1", "y1", "x2", "y2")] == pytest.approx([58, 4, 74, 20], abs=2)


def test_export_is_refused_in_words(run: Path) -> None:
    with pytest.raises(UsageError, match="Model 'sort' cannot be exported: it tracks with scipy"):
        sl.export(run)
