"""`sightline-run --track`: an exported model and a tracker, without the toolkit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from sightline.runtime import cli
from tests.unit.runtime import exported
from tests.unit.runtime.test_cli import opencv

HEIGHT, WIDTH = exported.SIZE
HALF = 8.0


def bright_square(file: Path) -> Path:
    """An exported file of a model that finds the bright square of an image, by its center of mass."""
    columns = (np.arange(WIDTH, dtype=np.float32) + 0.5)[None, None, None]
    rows = (np.arange(HEIGHT, dtype=np.float32) + 0.5)[None, None, :, None]
    constants = {
        "columns": columns, "rows": rows, "axes": np.array([1, 2, 3]), "one": np.array([1]),
        "offsets": np.array([[[-HALF, -HALF, HALF, HALF]]], np.float32), "full": np.float32(3e5),
        "tiny": np.float32(1e-3), "zero": np.float32(0),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        node("ReduceSum", ["x", "axes"], ["mass"], keepdims=0),
        node("Add", ["mass", "tiny"], ["total"]),
        *(step for name in ("columns", "rows") for step in (
            node("Mul", ["x", name], [f"{name} weighted"]),
            node("ReduceSum", [f"{name} weighted", "axes"], [f"{name} sum"], keepdims=0),
            node("Div", [f"{name} sum", "total"], [f"{name} flat"]),
            node("Unsqueeze", [f"{name} flat", "one"], [f"{name} middle"]),
        )),
        node("Concat", [f"{name} middle" for name in ("columns", "rows") * 2], ["middles"], axis=1),
        node("Unsqueeze", ["middles", "one"], ["centers"]),
        node("Add", ["centers", "offsets"], ["boxes"]),
        node("Div", ["mass", "full"], ["share"]),
        node("Unsqueeze", ["share", "one"], ["scores"]),
        node("Mul", ["scores", "zero"], ["none"]),
        node("Cast", ["none"], ["labels"], to=TensorProto.INT64),
    ]  # fmt: skip
    shapes = {"boxes": (TensorProto.FLOAT, ["B", 1, 4]), "scores": (TensorProto.FLOAT, ["B", 1]),
              "labels": (TensorProto.INT64, ["B", 1])}  # fmt: skip
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(name, *facts) for name, facts in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    card = exported.card("instances", thresholds=[0.5, 0.5, 0.5])
    helper.set_model_props(model, {"sightline": json.dumps(card)})
    file.write_bytes(model.SerializeToString())
    return file


def frame(t: int, level: int = 255) -> np.ndarray:
    """A square of 16 x 16 that goes to the right by 3 pixels a frame; in frame 5 it is hidden."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    if t != 5:
        image[16:32, 3 * t : 3 * t + 16] = level
    return image


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and two folders of frames; in the first some are too faint to begin a track."""
    monkeypatch.chdir(tmp_path)
    bright_square(tmp_path / "square.onnx")
    exported.write(tmp_path / "label.onnx", "label")
    for name in ("walk", "again"):
        (tmp_path / name).mkdir()
        for t in range(12):
            faint = name == "walk" and t in (3, 8)
            Image.fromarray(frame(t, 150 if faint else 255)).save(tmp_path / name / f"frame_{t}.png")
    return tmp_path


def test_tracks_of_a_folder_are_text_of_the_mot_challenge(place: Path) -> None:
    (place / "walk" / "frame_7.png").write_bytes(b"no image")
    assert cli.main(["square.onnx", "walk", "--track", "--out", "tracks.txt"]) == 1, "one is unreadable"
    rows = np.loadtxt("tracks.txt", delimiter=",")
    seen = [t for t in range(12) if t not in (5, 7)]
    assert rows[:, 0].tolist() == [t + 1 for t in seen], "frame_10 after frame_9, the unreadable one counts"
    assert set(rows[:, 1]) == {1}, "also after it was hidden, and where it is faint"
    assert rows[:, 2] == pytest.approx([3 * t for t in seen], abs=1e-3)
    assert rows[:, 3:6].tolist() == [[16, 16, 16]] * len(seen)
    assert (rows[:, 7:] == -1).all()


def test_each_folder_begins_with_identity_one_and_lines_say_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["square.onnx", "walk", "again", "--track", "--tracker", "ocsort"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["ids"] for row in rows if row["objects"]] == ["1"] * 22
    assert rows[0]["boxes"][0]["id"] == 1
    assert "ids" not in rows[5] or rows[5]["ids"] == ""


def test_a_film_keeps_its_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time stamps of its own (all alike), a film is followed frame by frame."""
    (place / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    for stamped in (True, False):
        library = opencv(12, 12)
        kind = library.VideoCapture  # type: ignore[attr-defined]
        kind.read = lambda self: (setattr(self, "at", self.at + 1), (self.at <= 12, frame(self.at - 1)))[1]
        kind.get = lambda self, what, stamped=stamped: {
            "count": 12, "msec": 40.0 * self.at * stamped, "fps": 25.0}.get(what, 64)  # fmt: skip
        monkeypatch.setitem(sys.modules, "cv2", library)
        assert cli.main(["square.onnx", "film.mp4", "--track", "--out", "tracks.txt"]) == 0
        rows = np.loadtxt("tracks.txt", delimiter=",")
        assert rows[:, 0].tolist() == [t + 1 for t in range(12) if t != 5]
        assert set(rows[:, 1]) == {1}


@pytest.mark.parametrize(("arguments", "words"), [
    (["label.onnx", "walk", "--track"], "--track follows objects"),
    (["square.onnx", "walk", "--out", "t.txt"], "holds tracks: give --track too"),
    (["square.onnx", "walk", "again", "--track", "--out", "t.txt"], "2 films or folders of frames are given"),
    (["square.onnx", "walk", "--track", "--tracker", "srot"], "sort"),
])  # fmt: skip
def test_wrong_use_is_told(
    arguments: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (place / "t.txt").exists()
