"""`sightline-run`, as somebody uses it who has only the runtime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.runtime import cli, frames
from tests.unit.runtime import exported
from tests.unit.runtime.test_session import random_image


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models and images, which is where the command runs."""
    monkeypatch.chdir(tmp_path)
    for kind in ("label", "instances", "outlines"):
        exported.write(tmp_path / f"{kind}.onnx", kind)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        Image.fromarray(random_image(40 + i, 60, i)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("hello")
    return tmp_path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_folder_is_a_line_an_image(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["outlines.onnx", "photos"]) == 0
    out, err = capsys.readouterr()
    message = lines(out)
    assert [row["path"] for row in message] == ["photos/a.png", "photos/b.jpg", "photos/deep/c.png"]
    assert list(message[0]) == ["path", "objects", "found", "max_confidence", "boxes", "masks"]
    assert len(message[0]["boxes"]) == len(message[0]["masks"]) == message[0]["objects"] > 0
    assert message[0]["masks"][0]["size"] == [40, 60]
    assert "FPS" in err
    assert "1 .txt" in err


def test_out_globs_and_scores(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["instances.onnx", "photos/**/*.png", "--out", "new/x.jsonl", "--batch-size", "2"]) == 0
    assert capsys.readouterr().out == ""
    every = lines((place / "new" / "x.jsonl").read_text())
    assert [row["path"] for row in every] == ["photos/a.png", "photos/deep/c.png"]
    scores = [box["score"] for box in every[0]["boxes"]]
    least = (scores[0] + scores[1]) / 2
    assert cli.main(["instances.onnx", "photos/a.png", "--min-score", str(least), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"] == 1
    (row,) = document["rows"]
    assert (row["objects"], len(row["boxes"]), row["found"]) == (1, 1, "1 car")


def test_a_bad_file_is_a_line_and_exit_code_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "photos" / "b.jpg").write_bytes((place / "photos" / "b.jpg").read_bytes()[:200])
    assert cli.main(["label.onnx", "photos"]) == 1
    message = lines(capsys.readouterr().out)
    assert [sorted(row)[0] for row in message] == ["confidence", "error", "confidence"]
    assert list(message[1]) == ["path", "error"]
    assert cli.main(["label.onnx", "photos", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["errors"][0]["file"] == "photos/b.jpg"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["label.onnx", "nowhere"], 2, "no such file or folder"),
        (["label.onnx", "http://camera/1"], 2, "Nothing is fetched"),
        (["label.onnx", "photos", "--min-score", "0.5"], 2, "chooses among objects"),
        (["instances.onnx", "photos", "--min-score", "5"], 2, "must lie in [0, 1]"),
        (["label.onnx", "photos", "--batch-size", "0"], 2, "--batch-size must be at least 1"),
        (["label.onnx", "photos", "--out", "x.csv"], 2, "must end in .jsonl"),
        (["photos/a.png", "photos"], 3, "is no ONNX file"),
        (["none.onnx", "photos"], 3, "cannot be opened"),
        (["label.onnx", "photos", "--out", "/dev/null/x.jsonl"], 1, "/dev/null"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == code
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "x.jsonl").symlink_to("/dev/full")
    assert cli.main(["label.onnx", "photos", "--out", "x.jsonl"]) == 1
    assert "x.jsonl: No space left on device." in capsys.readouterr().err


@pytest.mark.parametrize("named", ["camera0", "7", "film.mp4"])
def test_without_opencv_the_way_out_is_told(
    named: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    (place / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    assert cli.main(["label.onnx", named]) == 4
    assert "needs OpenCV: pip install opencv-python-headless" in capsys.readouterr().err


def opencv(count: int, message: int, opened: bool = True) -> types.ModuleType:
    """Stands in for OpenCV, which is not installed where these tests run: a film of `count` grey frames."""

    class VideoCapture:
        def __init__(self, source: Any) -> None:
            self.at = 0

        def isOpened(self) -> bool:  # noqa: N802
            return opened

        def get(self, what: str) -> float:
            return {"count": message, "msec": 40.0 * (self.at - 1)}.get(what, 64)

        def set(self, what: str, value: float) -> None: ...
        def release(self) -> None: ...
        def read(self) -> tuple[bool, Any]:
            self.at += 1
            return self.at <= count, np.full((48, 64, 3), self.at, dtype=np.uint8)

    result = types.ModuleType("cv2")
    result.VideoCapture = VideoCapture  # type: ignore[attr-defined]
    for name, value in {"CAP_PROP_FRAME_WIDTH": "w", "CAP_PROP_FRAME_HEIGHT": "h", "CAP_PROP_BUFFERSIZE": "b",
                        "CAP_PROP_FRAME_COUNT": "count", "CAP_PROP_POS_MSEC": "msec", "CAP_PROP_FPS": "fps",
                        "COLOR_BGR2RGB": 4}.items():  # fmt: skip
        setattr(result, name, value)
    result.cvtColor = lambda pixels, code: pixels[..., ::-1].copy()  # type: ignore[attr-defined]
    return result


def test_frames_of_a_film_are_images(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    monkeypatch.setitem(sys.modules, "cv2", opencv(3, 3))
    assert cli.main(["label.onnx", "film.mp4", "photos/a.png"]) == 0
    message = lines(capsys.readouterr().out)
    wanted = [(f"film.mp4#00000{i}", 0.04 * i) for i in range(3)]
    assert [(row["path"], row["seconds"]) for row in message] == [*wanted, ("photos/a.png", None)]


def test_a_film_that_is_cut_off_and_a_camera_that_goes_away_end_with_an_error(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    monkeypatch.setitem(sys.modules, "cv2", opencv(3, 90))
    assert cli.main(["label.onnx", "film.mp4"]) == 1
    last = lines(capsys.readouterr().out)[-1]
    assert last == {
        "path": "film.mp4#000003",
        "error": "is cut off or damaged: it ends after 3 frames of 90.",
    }
    assert cli.main(["label.onnx", "camera0"]) == 1
    assert "camera0#000003: broke off after 3 frames" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "cv2", opencv(3, 90, opened=False))
    assert cli.main(["label.onnx", "camera0"]) == 1
    assert "cannot be opened. Cameras found:" in lines(capsys.readouterr().out)[0]["error"]


def test_large_frames_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", opencv(3, 3))
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "100")
    with pytest.raises(frames.NoFrames, match="more than the limit"):
        list(frames.frames(0))


def test_ctrl_c_ends_it_cleanly(place: Path) -> None:
    for i in range(400):
        os.link(place / "photos" / "a.png", place / "photos" / f"x{i}.png")
    command = [sys.executable, "-m", "sightline.runtime", "label.onnx", *["photos"] * 50]
    # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        rest, outputs = running.stdout.read(), running.stderr.read()
    assert running.returncode == 130
    assert outputs.endswith("sightline-run: interrupted\n")
    assert "Traceback" not in outputs
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_reader_that_has_enough_is_no_trouble(place: Path) -> None:
    command = f"{sys.executable} -m sightline.runtime label.onnx {'photos ' * 40} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
