"""Windows of long films: which, of which frames, and how much memory they need."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sightline.data.io.clip_frames import clip_seconds
from sightline.data.io.clip_windows import clip_windows, duration, window_starts
from sightline.data.io.clips import ClipFiles, Segment
from sightline.data.io.films import film_frames
from sightline.data.io.pixels import Files
from tests.unit.data.films import film

TIMES = st.floats(0.1, 100)


@given(total=TIMES, length=TIMES, share=st.floats(0.05, 1))
def test_windows_are_equally_long_and_see_the_whole_film(total: float, length: float, share: float) -> None:
    starts, seen = window_starts(total, length, share * length)
    assert seen == min(length, total) or seen == pytest.approx(total)
    assert starts[0] == 0
    assert starts[-1] + seen == pytest.approx(total, abs=1e-4)
    assert all(0 < b - a <= share * length + 1e-4 for a, b in pairwise(starts))


def test_a_stride_beyond_the_window_leaves_gaps_and_no_window_beyond_the_end() -> None:
    assert window_starts(25, 2, 10) == ([0, 10, 20], 2)
    assert window_starts(31, 2, 10) == ([0, 10, 20, 29], 2)


@pytest.mark.parametrize("stride", [0.25, 1.0, 3.0])
def test_a_window_has_the_frames_of_a_clip_cut_there(stride: float, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 150, g="40")
    total = duration(clip_seconds(path))
    windows = list(clip_windows(path, 1.0, stride, 4))
    starts, _ = window_starts(total, 1.0, stride)
    assert [w.start for w in windows] == starts
    for window in windows:
        clip = ClipFiles(Files([path]), [Segment(window.start, window.end - 0.01)]).sample(0, 4)
        assert (window.frames == clip).all()


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 600, g="50")
    one = film_frames(path, [0])[0].nbytes
    tracemalloc.start()
    for window in clip_windows(path, 0.5, 0.25, 4):
        assert window.frames is not None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * one + 200_000, "as many frames as overlap, not the 600 of the film"


def test_only_the_windows_of_damaged_frames_have_none(tmp_path: Path) -> None:
    for k in range(50):
        Image.fromarray(np.full((9, 9), 5 * k, np.uint8)).save(tmp_path / f"{k}.png")
    for k in range(25, 40):
        (tmp_path / f"{k}.png").write_bytes(b"no image")
    windows = list(clip_windows(tmp_path, 0.4, 0.4, 4))
    assert [w.frames is None for w in windows] == [False, False, False, True, False]
    assert windows[3].error.startswith("from 1.2 to 1.6 s: is damaged: 100% of its frames")
    assert windows[2].frames is not None
    assert windows[2].frames.max() == 5 * 23, "the nearest good frame of the window stands for a damaged one"
