"""Frames of videos and cameras with OpenCV, which is optional."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.io.images import max_pixels
from ..errors import SightlineError

MISSED = 2
"""Frames that may be fewer than a file says before it counts as cut off."""

MOST_RATE = 1000.0
"""Frames a second that a film may claim; OpenCV makes up larger ones where it knows none."""


class NoFrames(SightlineError):
    """A video or camera that cannot be read, from the start or any more."""


class MissingOpenCV(SightlineError):
    """OpenCV is not installed. Nothing is ever installed automatically."""

    exit_code = 4

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs OpenCV: pip install opencv-python-headless")


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        number: From 0.
        seconds: When it is shown, counted from the first frame.
        pixels: (H, W, 3) uint8 RGB, upright.
        rate: Frames a second as the film says; 0 where it does not, and of a camera.
    """

    number: int
    seconds: float
    pixels: np.ndarray
    rate: float


def library(what: str) -> Any:
    """OpenCV.

    Args:
        what: What it is needed for.

    Raises:
        MissingOpenCV: If it is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise MissingOpenCV(what) from None
    return cv2


def frames(source: Path | int) -> Iterator[Frame]:
    """The frames of a file, or of a camera by its number, in order.

    Raises:
        NoFrames: If it cannot be opened; after the last frame, if a file is cut off or a camera goes away.
        MissingOpenCV: If OpenCV is not installed.
    """
    camera = isinstance(source, int)
    name = f"camera{source}" if camera else str(source)
    cv2 = library(name)
    # An absolute path: FFmpeg would take what stands before a colon for a protocol.
    film = cv2.VideoCapture(source if isinstance(source, int) else str(source.absolute()))
    try:
        if not film.isOpened():
            raise NoFrames(_closed(name, camera))
        _judge(cv2, film, name)
        if camera:
            film.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what is seen must not be old
        number = yield from _read(cv2, film, camera)
        if camera:
            raise NoFrames(f"{name} broke off after {number} frames. Is it still plugged in?")
        wanted = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        if number == 0 or number + MISSED < wanted:
            raise NoFrames(
                f"{name} is cut off or damaged: it ends after {number} frames of {max(wanted, 0)}."
            )
    finally:
        film.release()


def _read(cv2: Any, film: Any, camera: bool) -> Generator[Frame, None, int]:
    """The frames there are; returns how many."""
    number, start = 0, None
    rate = 0.0 if camera else float(film.get(cv2.CAP_PROP_FPS))
    rate = rate if 0 < rate < MOST_RATE else 0.0
    while True:
        good, pixels = film.read()
        if not good:
            return number
        at = time.monotonic() if camera else film.get(cv2.CAP_PROP_POS_MSEC) / 1000
        start = at if start is None else start
        yield Frame(number, at - start, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), rate)
        number += 1


def _judge(cv2: Any, film: Any, name: str) -> None:
    width, height = (int(film.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > max_pixels():
        raise NoFrames(
            f"{name} is {width} x {height}, more than the limit of {max_pixels():,} pixels a frame. "
            "Set SIGHTLINE_MAX_PIXELS if it is meant."
        )


def _closed(name: str, camera: bool) -> str:
    if not camera:
        return f"{name} cannot be read as a video."
    cameras = sorted(int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit())
    cameras_text = ", ".join(f"camera{n}" for n in cameras) or "none"
    return f"{name} cannot be opened. Cameras found: {cameras_text}. Another program may hold it."
