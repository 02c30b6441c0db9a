"""Predicting for streams that are really sent, over a socket of this machine."""

from __future__ import annotations

import csv
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightline.commands.predict import predict
from sightline.data.io import video_probe
from sightline.data.io.video import Video
from sightline.inference import promptable, sources
from sightline.inference.summary import Predicted
from tests.unit.commands.finder import predictor
from tests.unit.data.films import SIDE
from tests.unit.data.streams import camera, web_server, written

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Predicted]:
    """The verb, with a model that finds orange squares, where the network may be used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGHTLINE_OFFLINE")
    monkeypatch.setattr(promptable, "ModelPredictor", lambda path, device, views=1: predictor())
    return lambda source, **options: predict(Path("model"), [source], **options)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that keeps up with any camera: nothing needs to be dropped."""
    monkeypatch.setattr(sources, "Video", functools.partial(Video, ahead=100))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def follows_the_square(table: list[dict[str, str]]) -> bool:
    return all(
        abs(float(r["x1"]) - i) <= 2 and abs(float(r["x2"]) - i - SIDE) <= 2 for i, r in enumerate(table)
    )


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_film_from_a_web_server_loses_no_frame(name: str, run: Callable[..., Any], tmp_path: Path) -> None:
    """However slow the reader is: 40 frames are more than wait for it."""
    with web_server(written(tmp_path / name)) as address:
        result = run(address, allow_http=True, out=Path("o.csv"))
    table = rows(tmp_path / "o.csv")
    assert (result.total, result.errors) == (40, [])
    assert [r["path"] for r in table] == [f"{address}#{i:06d}" for i in range(40)]
    assert [float(r["seconds"]) for r in table] == pytest.approx([i / 25 for i in range(40)], abs=1e-3)
    assert follows_the_square(table)


@pytest.mark.usefixtures("patient")
def test_a_camera_by_tcp_is_read_to_its_end(
    run: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with camera(written(tmp_path / "film.ts").read_bytes()) as address:
        result = run(address, out=Path("drawn"))
    assert (result.total, result.errors) == (40, [])
    assert f"{address} ended after 40 frames" in capsys.readouterr().err
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert len(list(Video(drawn))) == 40


def test_a_film_from_a_web_server_that_breaks_off(run: Callable[..., Any], tmp_path: Path) -> None:
    file = written(tmp_path / "film.mkv")
    with web_server(file, most=file.stat().st_size // 2) as address:
        result = run(address, allow_http=True, out=Path("o.csv"))
    *frames, broken = rows(tmp_path / "o.csv")
    assert result.exit_code == 1
    assert 5 < len(frames) < 35
    assert follows_the_square(frames)
    assert broken["path"] == f"{address}#{len(frames):06d}"
    assert f"cut off: it ends after {len(frames)} frames of about 40" in broken["error"]


@pytest.mark.usefixtures("patient")
def test_a_camera_that_hangs_up_in_the_middle_of_a_frame(run: Callable[..., Any], tmp_path: Path) -> None:
    whole = written(tmp_path / "film.ts").read_bytes()
    with camera(whole[: len(whole) * 2 // 3 // 188 * 188 + 100]) as address:
        result = run(address, out=Path("o.csv"))
    *frames, broken = rows(tmp_path / "o.csv")
    assert result.exit_code == 1
    assert 5 < len(frames) < 35
    assert follows_the_square(frames)
    assert "cut off: it ends after" in broken["error"]


@pytest.mark.usefixtures("patient")
def test_a_camera_that_falls_silent(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_probe, "TIMEOUT", 1.0)
    whole = written(tmp_path / "film.ts").read_bytes()
    with camera(whole[: len(whole) * 2 // 3], then=threading.Event()) as address:
        result = run(address, out=Path("drawn"))
    ((where, outputs),) = result.errors
    assert where.startswith(f"{address}#")
    assert "broke off after" in outputs
    assert "nothing came for 1 s" in outputs
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert len(list(Video(drawn))) == result.total - 1 > 5
