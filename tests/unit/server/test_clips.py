"""A film, an animation and a folder of frames: the toolkit, the light runtime and the server answer alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.runtime.cli import main
from sightline.runtime.session import Session
from tests.fixtures.clips import growing_clips, growing_frames, write_gif
from tests.unit.server.running import Running, serving_files


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("action")
    data = growing_clips(folder / "clips", 24)
    sl.train(str(data), task="action", out=folder / "run", epochs=1, frames=4, device="cpu", batch_size=8)
    return folder / "run"


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    return sl.export(run, to="onnx", out=run.parent / "model.onnx", max_score_drop=100).file


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of eleven frames of another size than the model's: an animation, frames, and a film."""
    folder = tmp_path_factory.mktemp("new")
    (frames, *_), _ = growing_frames(1, side=44, seed=5)
    frames = np.concatenate([frames[where] for where in np.array_split(np.arange(11) * 4 // 11, 11)])
    write_gif(folder / "a.gif", frames)
    (folder / "b").mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame[..., 0]).save(folder / "b" / f"frame_{i}.png")  # frame_10 is after frame_9
    if write_film(folder / "c.mp4", frames.repeat(3, -1)):
        assert (folder / "c.mp4").stat().st_size
    return folder


def write_film(file: Path, frames: np.ndarray) -> bool:
    """Whether PyAV is there to write it."""
    try:
        import av
    except ImportError:
        return False
    with av.open(str(file), "w") as film:
        stream: Any = film.add_stream("mpeg4", rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        film.mux(stream.encode())
    return True


@pytest.fixture(scope="module")
def served(exported: Path) -> Iterator[Running]:
    with serving_files(exported) as running:
        yield running


def of_toolkit(run: Path, source: Path) -> list[tuple[str, dict[str, Any]]]:
    outcomes = list(sl.load(run, device="cpu").predict(str(source)))
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return [(outcome.id, outcome.row) for outcome in outcomes]


def assert_alike(answer: dict[str, Any], row: dict[str, Any]) -> None:
    assert answer["label"] == row["label"]
    for name in ("confidence", "prob_grow", "prob_shrink"):
        assert answer[name] == pytest.approx(row[name], abs=2e-5)


def test_the_command_answers_a_folder_as_predict_does(
    run: Path, exported: Path, films: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = of_toolkit(run, films)
    expected = [films / "a.gif", films / "b", films / "c.mp4"]
    assert [item for item, _ in wanted] == [str(path) for path in expected if path.exists()]
    assert main([str(exported), str(films), "--threads", "1"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == [item for item, _ in wanted]
    for line, (_, row) in zip(lines, wanted, strict=True):
        assert_alike(line, row)
    alone = of_toolkit(run, films / "b")  # a folder that is itself a clip
    assert [item for item, _ in alone] == [str(films / "b")]
    assert alone[0][1] == pytest.approx(wanted[1][1])


def test_the_server_answers_an_upload_as_predict_does(run: Path, films: Path, served: Running) -> None:
    wanted = [(Path(item), row) for item, row in of_toolkit(run, films) if Path(item).is_file()]
    reply = served.send(*((path.name, path.read_bytes()) for path, _ in wanted))
    assert reply.status == 200, reply.body
    for answer, (path, row) in zip(reply.json["predictions"], wanted, strict=True):
        assert answer["path"] == path.name
        assert_alike(answer, row)
    (path, row), kind = wanted[-1], "video/mp4" if len(wanted) > 1 else "image/gif"
    (answer,) = served.predict(path.read_bytes(), kind).json["predictions"]
    assert_alike(answer, row)
    drawn = served.predict(path.read_bytes(), kind, Accept="image/png")
    assert drawn.status == 200, drawn.body
    assert served.get("/v1/model").json["input"] == {"channels": 3, "frames": 4, "height": 32, "width": 32}
    assert served.get("/v2/models/model").json["inputs"][0]["shape"] == [-1, 3, 4, 32, 32]


def test_what_is_no_clip_is_refused_by_the_server(served: Running) -> None:
    reply = served.predict(b"no film at all")
    assert reply.status == 422
    message = reply.json["error"]["message"]
    assert "cannot be read as a video: it holds no video" in message or "pip install av" in message
    assert served.predict(b"GIF89a" + bytes(40), "image/gif").status == 422


def test_arrays_and_cameras(exported: Path, run: Path) -> None:
    (clip, *_), _ = growing_frames(1, side=40, seed=6)
    session = Session(exported, threads=1)
    (answer,) = session.predict(clip)
    (outcome,) = sl.load(run, device="cpu").predict(clip)
    assert_alike(answer.row, outcome.row)
    with pytest.raises(sl.errors.UsageError, match=r"\(T, H, W, 3 or 1\)"):
        list(session.predict([clip.astype(np.float32)]))
    assert main([str(exported), "camera0"]) == 2


def test_frames_that_cannot_be_decoded_are_told(
    exported: Path, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for file in (films / "b").iterdir():
        content = file.read_bytes()
        (folder / file.name).write_bytes(content[:60] if file.name == "frame_0.png" else content)
    assert main([str(exported), str(folder)]) == 0
    assert "25% of the frames cannot be decoded" in capsys.readouterr().err
