"""Windows of long clips: parts of a film of one length, each seen as a clip of its own.

The film is decoded once, from its start to its end. In memory are the frames of the windows that overlap, and
the times of all frames, but never the film.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.data.io.clip_frames import (
    FRAME_RATE,
    clip_seconds,
    cut_off,
    each_clip_frame,
    lost_in_words,
    nearest_good,
    sampled_at,
)
from sightline.errors import UnreadableImage

NEARLY = 1e-6
"""Seconds by which a sum of times may be wrong."""


@dataclass(frozen=True)
class ClipWindow:
    """A part of a clip.

    Attributes:
        start: First second.
        end: Where it ends, in seconds; a frame that is shown then belongs to the next one.
        frames: (T, H, W, C) as stored, evenly spread over it; None if none can be decoded.
        error: Why there are none, or "".
    """

    start: float
    end: float
    frames: np.ndarray | None
    error: str = ""


def clip_windows(source: Path, length: float, stride: float, count: int) -> Iterator[ClipWindow]:
    """Windows of a clip, one after the other.

    Args:
        source: A film, animation, array, TIFF of several pages or folder of frames.
        length: Seconds of a window.
        stride: Seconds from the start of a window to that of the next.
        count: Frames of a window; a short one repeats some.

    Raises:
        UnreadableImage: If it cannot be read, or has no frame.
    """
    seconds = clip_seconds(source)
    starts, length = window_starts(duration(seconds), length, stride)
    wanted = [_inside(seconds, start, length, count) for start in starts]
    frames = each_clip_frame(source, {n for numbers in wanted for n in numbers.tolist()})
    held: dict[int, np.ndarray] = {}
    reached, lost = -1, 0.0
    for start, numbers in zip(starts, wanted, strict=True):
        held = {n: frame for n, frame in held.items() if n >= numbers[0]}
        while reached < numbers[-1] and (decoded := next(frames, None)) is not None:
            reached = decoded[0]
            held[reached] = decoded[1]
        end = start + length
        try:
            chosen, share = nearest_good(source, held, numbers, False)
        except UnreadableImage as error:
            yield ClipWindow(start, end, None, f"from {start:g} to {end:g} s: {error.detail}")
            continue
        lost += share / len(starts)
        yield ClipWindow(start, end, chosen)
    if what := cut_off(source):
        say(f"{source} {what}.")
    if lost > 0:
        say(f"{source}: {lost_in_words(lost)}")


def duration(seconds: np.ndarray) -> float:
    """Seconds of a clip, from (T,) times of its frames: the last is shown as long as most are."""
    usual = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1 / FRAME_RATE
    return float(seconds[-1]) + usual


def window_starts(total: float, length: float, stride: float) -> tuple[list[float], float]:
    """Where the windows of a clip begin, and their length. All are equally long: the last one begins earlier
    if it would reach beyond the end. A clip that is shorter than a window is one window.

    Args:
        total: Seconds of the clip.
        length: Seconds of a window.
        stride: Seconds from one start to the next.
    """
    if total <= length + NEARLY:
        return [0.0], total
    whole = int((total - length + NEARLY) / stride)
    starts = [round(k * stride, 6) for k in range(whole + 1)]
    if starts[-1] + max(length, stride) < total - NEARLY:
        starts.append(round(total - length, 6))
    return starts, length


def _inside(seconds: np.ndarray, start: float, length: float, count: int) -> np.ndarray:
    """(count,) numbers of frames of a window; where none begins in it, of the one that is shown."""
    first, last = np.searchsorted(seconds, [start - NEARLY, start + length - NEARLY])
    if first == last:
        return np.full(count, max(int(first) - 1, 0))
    return np.asarray(first + sampled_at(seconds[first:last], count))
