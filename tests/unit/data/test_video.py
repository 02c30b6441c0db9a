"""Frames of films: all of them, in order, upright, few at a time; and what is said of damaged ones."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sightline.data.io.video import Video, is_video
from sightline.data.io.video_writer import VideoWriter
from sightline.errors import DataError, MissingExtra, UsageError
from tests.unit.data.films import HEIGHT, WIDTH, cut, film, left
from tests.unit.data.streams import camera, web_server, written

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.webm", "film.mov"])
def test_all_frames_come_in_order(name: str, tmp_path: Path) -> None:
    with Video(film(tmp_path / name)) as video:
        facts = video.facts
        assert (facts.width, facts.height, facts.count, facts.fps) == (WIDTH, HEIGHT, 60, 25)
        assert facts.seconds == pytest.approx(2.4, abs=0.02)
        for i, (number, seconds, pixels) in enumerate(video):
            assert number == i
            assert seconds == pytest.approx(i / 25, abs=1e-3)
            assert pixels.shape == (HEIGHT, WIDTH, 3)
            assert pixels.dtype == np.uint8
            assert abs(left(pixels) - i) <= 1
    assert i == 59


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_rotation_is_applied(rotation: int, turns: int, tmp_path: Path) -> None:
    """A rotation counts anticlockwise, as does np.rot90."""
    import av

    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a rotation")
    upright = next(iter(Video(film(tmp_path / "a.mp4", 2)))).pixels
    turned = Video(film(tmp_path / "b.mp4", 2, rotation))
    assert (turned.facts.height, turned.facts.width) == np.rot90(upright, turns).shape[:2]
    assert np.array_equal(next(iter(turned)).pixels, np.rot90(upright, turns))


@pytest.mark.parametrize("ahead", [1, 4])
def test_few_frames_wait_however_slow_the_reader(ahead: int, tmp_path: Path) -> None:
    video = Video(film(tmp_path / "film.mp4"), ahead=ahead)
    frames = iter(video)
    for taken in range(1, 61):
        next(frames)
        if taken == 10:  # time enough to decode all the rest
            time.sleep(0.3)
        # Those that wait, and one in the hand of the thread.
        assert video.decoded <= taken + ahead + 1
    assert next(frames, None) is None


def test_leaving_early_ends_the_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in Video(film(tmp_path / "film.mp4"), ahead=2):
        break
    assert threading.active_count() == before
    video = Video(tmp_path / "film.mp4")
    list(video)
    with pytest.raises(ValueError, match="read already"):
        next(iter(video))


@pytest.mark.parametrize(
    ("name", "options"),
    [("film.mkv", {}), ("film.mp4", {"movflags": "faststart"}), ("film.avi", {}), ("film.webm", {})],
)
def test_a_film_cut_in_the_middle_gives_what_is_there(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    video = Video(cut(film(tmp_path / name, **options)))
    viewed = []
    with pytest.raises(DataError, match=r"cut off: it ends after \d+ frames of about 60") as outputs:
        viewed.extend(frame.number for frame in video)
    assert viewed == list(range(len(viewed)))
    assert 5 < len(viewed) < 55
    assert f"after {len(viewed)} frames" in str(outputs.value)


def test_a_film_that_lost_its_index_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cut off or damaged.*index"):
        Video(cut(film(tmp_path / "film.mp4")))


def test_sound_that_is_longer_is_no_cut(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        video, sound = container.add_stream("mpeg4", rate=25), container.add_stream("aac", rate=48000)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8))))
        for i in range(100):
            hum = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            hum.sample_rate, hum.pts = 48000, 1024 * i
            container.mux(sound.encode(hum))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    assert len(list(Video(tmp_path / "film.mp4"))) == 25


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"hello " * 1000, "no video"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 900, "no video")],
)
def test_what_is_no_video_is_told(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(content)
    with pytest.raises(DataError, match=says) as outputs:
        Video(file)
    assert "film.mp4" in str(outputs.value)


def test_a_playlist_leads_nowhere(tmp_path: Path) -> None:
    """A file must not make the decoder open other files or addresses."""
    inner = film(tmp_path / "inner.mp4", 5)
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{inner}\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{inner}'\n")
    for name in ("list.m3u8", "list.mp4"):
        with pytest.raises(DataError, match="no video"):
            Video(tmp_path / name)


def test_frames_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = film(tmp_path / "film.mp4", 3)
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "1000")
    with pytest.raises(DataError, match="SIGHTLINE_MAX_PIXELS"):
        Video(file)


def test_an_absent_webcam_is_told() -> None:
    with pytest.raises(UsageError, match="Webcam 97"):
        Video("97")


def test_content_tells_a_video(tmp_path: Path) -> None:
    for name in ("film.mp4", "film.mkv", "film.avi", "film.webm", "film.mov", "film.ts"):
        assert is_video(film(tmp_path / name, 3).read_bytes()[:512]), name
    assert not is_video(b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 500)
    assert not is_video(b"\0\0\0\x18ftypheic" + b"\0" * 500)
    assert not is_video(b"")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"sightline\[video\]"):
        Video(Path("film.mp4"))


def test_an_address_is_fetched_where_the_network_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server(film(tmp_path / "film.mkv")) as address:
        named = address.replace("//", "//user:secret@")
        with pytest.raises(UsageError, match="OFFLINE"):
            Video(named)
        monkeypatch.delenv("SIGHTLINE_OFFLINE")
        video = Video(named, ahead=2)
        assert "secret" not in video.name
        assert not video.live
        assert video.facts.count == 60
        assert [frame.number for frame in video] == list(range(60))


def test_a_stream_drops_old_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_OFFLINE")
    with camera(written(tmp_path / "film.ts").read_bytes()) as address:
        video = Video(address, ahead=3)
        assert video.live
        assert (video.facts.count, video.facts.seconds) == (0, 0)
        frames = iter(video)
        numbers = [next(frames).number]
        until = time.monotonic() + 30
        while video.decoded < 40 and time.monotonic() < until:
            time.sleep(0.01)
        numbers += [frame.number for frame in frames]
    assert numbers[-1] == 39
    assert len(numbers) <= 1 + 3 + 1
    assert video.dropped + len(numbers) == 40


def test_a_silent_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_OFFLINE")
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/camera does not give a video stream"):
        Video("rtsp://127.0.0.1:9/camera")
    with pytest.raises(UsageError, match="ftp"):
        Video("ftp://127.0.0.1:9/camera")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.5, 12))
    gray = [int(v) for v in rng.integers(30, 220, 12)]
    with VideoWriter(tmp_path / "out.mp4", 29.97) as writer:
        for t, level in zip(times, gray, strict=True):
            writer.add(np.full((37, 51, 3), level, np.uint8), float(t - times[0]))
        assert writer.said
    video = Video(tmp_path / "out.mp4")
    assert (video.facts.height, video.facts.width) == (38, 52)
    frames = list(video)
    assert [f.seconds for f in frames] == pytest.approx(list(times - times[0]), abs=1e-4)
    assert [float(f.pixels.mean()) for f in frames] == pytest.approx(gray, abs=3)


def test_frames_at_the_same_time_are_kept(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4") as writer:
        for _ in range(5):
            writer.add(np.zeros((16, 16, 3), np.uint8), 1.0)
    assert len(list(Video(tmp_path / "out.mp4"))) == 5
