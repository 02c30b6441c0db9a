"""predict --track: identities over the frames of films and folders, written, drawn and counted."""

from __future__ import annotations

import csv
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.commands.predict import predict
from sightline.data.io import video
from sightline.data.io.pixels import Files
from sightline.data.io.video import Video
from sightline.data.io.video_writer import VideoWriter
from sightline.errors import UsageError
from sightline.inference import promptable
from sightline.inference.input_item import Input
from sightline.inference.summary import Predicted
from sightline.runtime.targets import records
from tests.unit.commands.finder import NAMES, predictor

SIDE, FRAMES = 20, 30


def frame(t: int) -> np.ndarray:
    """A square that goes to the right by 3 pixels a frame, hidden in frames 10 to 12."""
    image = np.full((96, 128, 3), 60, np.uint8)
    if not 10 <= t <= 12:
        image[40 : 40 + SIDE, 3 * t : 3 * t + SIDE] = (255, 140, 0)
    return image


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Predicted]:
    """The command, with a model that finds orange squares."""
    found = predictor()
    found.task.to_records = lambda prediction: records(prediction, NAMES)  # type: ignore[method-assign]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(promptable, "ModelPredictor", lambda path, device, views=1: found)
    return lambda *source, **options: predict(Path("model"), list(source), track=True, **options)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    with VideoWriter(tmp_path / "film.mp4") as writer:
        for t in range(FRAMES):
            writer.add(frame(t), t / 25)
    return tmp_path / "film.mp4"


def lines(file: Path) -> list[list[float]]:
    return [[float(v) for v in line.split(",")] for line in file.read_text().splitlines()]


def test_a_film_gives_a_text_of_the_mot_challenge(run: Callable[..., Any], film: Path) -> None:
    run(str(film), out=Path("tracks.txt"))
    rows = lines(Path("tracks.txt"))
    assert {row[1] for row in rows} == {1}, "one object, also after it was hidden"
    assert [row[0] for row in rows] == [t + 1 for t in range(FRAMES) if not 10 <= t <= 12]
    assert all(len(row) == 10 and row[7:] == [-1, -1, -1] for row in rows)
    left, top, width, height = rows[-1][2:6]
    assert [left, top, width, height] == pytest.approx([3 * 29, 40, SIDE, SIDE], abs=2)


def test_gaps_are_filled_only_when_asked(run: Callable[..., Any], film: Path) -> None:
    run(str(film), out=Path("tracks.txt"), fill=3)
    rows = sorted(lines(Path("tracks.txt")))
    assert [row[0] for row in rows] == [t + 1 for t in range(FRAMES)]
    filled = [row for row in rows if row[6] == -1]
    assert [row[0] for row in filled] == [11, 12, 13]
    assert [row[2] for row in filled] == pytest.approx([30, 33, 36], abs=2)


def test_tables_have_a_column_of_identities(run: Callable[..., Any], film: Path) -> None:
    run(str(film), out=Path("t.csv"))
    with Path("t.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["id"] for row in rows} == {"1"}
    assert {row["class"] for row in rows} == {"square"}, "the weak boxes of the other class begin no track"
    run(str(film), out=Path("t.jsonl"))
    first = json.loads(Path("t.jsonl").read_text().splitlines()[0])
    assert (first["ids"], first["boxes"][0]["id"]) == ("1", 1)


def test_each_film_begins_with_identity_one(run: Callable[..., Any], film: Path) -> None:
    (film.parent / "other.mp4").write_bytes(film.read_bytes())
    result = run("film.mp4", "other.mp4", out=Path("all"), to="motchallenge", line=["64,0,64,96"])
    assert sorted(p.name for p in Path("all").iterdir()) == ["film.txt", "other.txt"]
    assert lines(Path("all/film.txt")) == lines(Path("all/other.txt"))
    assert [(row["film"], row["to_left"]) for row in result.counts] == [("film.mp4", 1), ("other.mp4", 1)]
    with pytest.raises(UsageError, match="holds one film, and 2 are given"):
        run("film.mp4", "other.mp4", out=Path("tracks.txt"))


def test_lines_and_zones_are_counted_and_drawn(run: Callable[..., Any], film: Path) -> None:
    zone = "70,20,127,20,127,80,70,80"
    result = run(film.name, out=Path("drawn.mp4"), line=["64,0,64,96"], zone=[zone])
    line, area = result.counts
    assert line == {"film": "film.mp4", "where": "line 64,0,64,96", "to_right": 0, "to_left": 1}
    assert area == {"film": "film.mp4", "where": f"zone {zone}", "entered": 1, "left": 0,
                    "visitors": 1, "most": 1}  # fmt: skip
    assert result.to_json()["counts"] == result.counts
    with Video(Path("drawn.mp4")) as drawn:
        frames = [f.pixels for f in drawn]
    assert len(frames) == FRAMES
    assert np.ptp(frames[11].astype(int), axis=2)[30:, 120:136].max() > 60, "the line, in color"


def test_a_folder_of_frames_is_ordered_by_number(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for t in range(12):
        Image.fromarray(frame(t)).save(tmp_path / f"frames/frame_{t}.png")
    (tmp_path / "frames/frame_5.png").write_bytes(b"no image")
    result = run("frames", out=Path("tracks.txt"))
    assert [file for file, _ in result.errors] == ["frames/frame_5.png"]
    rows = lines(Path("tracks.txt"))
    assert [(row[0], row[1]) for row in rows] == [(t + 1, 1) for t in range(10) if t != 5]
    assert [row[2] for row in rows] == pytest.approx([3 * t for t in range(10) if t != 5], abs=2)


def test_each_folder_has_a_file_below_the_output(run: Callable[..., Any], film: Path) -> None:
    """Named by its whole path; numbers after a point are no ending, and a film lies between the frames."""
    for name in ("walk.1", "walk.2"):
        (film.parent / name).mkdir()
        for t in range(8):
            Image.fromarray(frame(t)).save(film.parent / name / f"frame_{t}.png")
    film.rename(film.parent / "walk.2" / "frame_3-film.mp4")
    folders = [str(film.parent / name) for name in ("walk.1", "walk.2")]
    result = run(*folders, out=Path("all"), to="motchallenge", line=["64,0,64,96"])
    files = {file.relative_to("all").as_posix() for file in Path("all").rglob("*.txt")}
    assert files == {"walk.1.txt", "walk.2.txt", "walk.2/frame_3-film.txt"}
    assert lines(Path("all/walk.1.txt")) == lines(Path("all/walk.2.txt"))
    assert {row[1] for row in lines(Path("all/walk.1.txt"))} == {1}
    assert [Path(row["film"]).name for row in result.counts] == ["walk.1", "walk.2", "frame_3-film.mp4"]
    run(folders[0], out=Path("one"), to="motchallenge")
    assert [file.name for file in Path("one").rglob("*")] == ["walk.1.txt"]
    assert not list(film.parent.glob("*.txt"))


def test_frames_after_the_millionth_have_names_of_their_own() -> None:
    item = Input("f.mp4#1000000", "f.mp4#1000000", Files([]))
    assert item.file(".png") == "f.mp4#1000000.png"


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_long_film_holds_no_more_frames_than_a_short_one(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    """Frames that are alive at once: those decoded ahead, a batch, and the next one, which is read."""
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    with VideoWriter(tmp_path / "long.mp4") as writer:
        for t in range(80):
            writer.add(frame(t % FRAMES), t / 25)
    alive, counts = set[int](), list[int]()
    decoded = iter(range(80))

    def counted(image: Any) -> np.ndarray:
        pixels, number = np.array(upright(image)), next(decoded)  # a copy, which views keep alive
        alive.add(number)
        counts.append(len(alive))
        weakref.finalize(pixels, alive.discard, number)
        return pixels

    upright = video._upright
    monkeypatch.setattr(video, "_upright", counted)
    run("long.mp4", out=Path("drawn.mp4"), line=["64,0,64,96"], batch_size=batch_size)
    assert len(counts) == 80
    assert max(counts) <= video.AHEAD + 2 * batch_size + 4


@pytest.mark.parametrize(("options", "words"), [
    ({"track": False, "line": ["0,0,1,1"]}, "--line is for tracked objects: give --track too"),
    ({"track": False, "fill": 3}, "--fill is for tracked objects"),
    ({"track": False, "out": Path("t.txt")}, "holds tracks: give --track too"),
    ({"track": True, "line": ["0,0,1"]}, "A line is x1,y1,x2,y2"),
    ({"track": True, "zone": ["a,b"]}, "--zone takes pixels such as .* Received 'a,b'"),
    ({"track": True, "tracker": "srot"}, "sort"),
    ({"track": False, "camera_motion": True}, "--camera-motion needs the frames"),
])  # fmt: skip
def test_wrong_options_are_refused(
    run: Callable[..., Any], tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    Image.fromarray(frame(0)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=words):
        predict(Path("model"), ["a.png"], **options)


def test_the_motion_of_the_camera_is_taken_out_of_a_film_that_shakes(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """A square stands on a speckled ground, and the camera jumps by more than its side."""
    rng = np.random.default_rng(0)
    ground = np.asarray(Image.fromarray(rng.integers(20, 90, (60, 75), dtype=np.uint8)).resize((300, 240)))
    (tmp_path / "frames").mkdir()
    for t, (x, y) in enumerate(rng.integers(0, 60, (8, 2))):
        image = np.repeat(ground[y : y + 160, x : x + 200, None], 3, 2)
        image[100 - y : 120 - y, 120 - x : 140 - x] = (255, 140, 0)
        Image.fromarray(image).save(tmp_path / f"frames/{t}.png")
    found = {}
    for moved in (False, True):
        run("frames", out=Path("tracks.txt"), camera_motion=moved)
        found[moved] = [row[1] for row in lines(Path("tracks.txt"))]
    assert found[True] == [1] * 8
    assert len(set(found[False])) > 1
