"""A two-stage detector from training to the server: its boxes, and those of the run itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sightline as sl
from sightline.data.open import open_data
from tests.unit.server.running import Running, encoded, serving_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch: its boxes are bad, and as good as others to be compared."""
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    place = tmp_path_factory.mktemp("trained") / "run"
    sl.train("shapes:boxes:12", model="faster-rcnn", variant="resnet18", size=64, epochs=1, out=place)
    assert sl.export(place, max_score_drop=5).gate.passed
    return place


@pytest.fixture(scope="module")
def started(run: Path) -> Iterator[Running]:
    with serving_files(run) as running:
        yield running


def images() -> dict[str, bytes]:
    """Two images of other sizes than the network's."""
    pixels = open_data("shapes:boxes:2").pixels
    square, wide = np.asarray(pixels.read(0)), np.asarray(pixels.read(1))[:90]
    return {"square.png": encoded(square, "PNG"), "wide.png": encoded(wide, "PNG")}


def near(box: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two boxes are the same but for rounding."""
    corners = (abs(box[key] - other[key]) < 0.5 for key in ("x1", "y1", "x2", "y2"))
    return box["class"] == other["class"] and abs(box["score"] - other["score"]) < 1e-3 and all(corners)


def test_it_answers_with_the_boxes_of_the_run(run: Path, started: Running, tmp_path: Path) -> None:
    sent = images()
    for name, content in sent.items():
        (tmp_path / name).write_bytes(content)
    sl.predict(run, [str(tmp_path / name) for name in sent], out=tmp_path / "of-the-run.jsonl")
    lines = (tmp_path / "of-the-run.jsonl").read_text().splitlines()
    wanted = {Path(row["path"]).name: row for row in map(json.loads, lines)}
    reply = started.send(*sent.items())
    assert reply.status == 200, reply.body
    predictions = reply.json["predictions"]
    assert [row["path"] for row in predictions] == list(sent)
    for row, (width, height) in zip(predictions, [(128, 128), (128, 90)], strict=True):
        boxes, others = row["boxes"], wanted[row["path"]]["boxes"]
        assert row["objects"] == len(boxes) > 0
        assert all(0 <= b["x1"] < b["x2"] <= width and 0 <= b["y1"] < b["y2"] <= height for b in boxes)
        # Of boxes that overlap about as much as is allowed, rounding decides which ones are dropped.
        assert sum(any(near(b, other) for other in others) for b in boxes) >= 0.95 * len(boxes)
        assert abs(len(boxes) - len(others)) <= 0.05 * len(others)


def test_fewer_boxes_reach_a_higher_score_and_all_of_them_0(started: Running) -> None:
    content = images()["square.png"]
    best = started.predict(content).json["predictions"][0]["max_confidence"]
    counts = [
        started.predict(content, path=f"/v1/predict?min_score={score}").json["predictions"][0]["objects"]
        for score in (0, 0.98 * best, 1)
    ]
    assert counts[0] > counts[1] > counts[2] == 0
