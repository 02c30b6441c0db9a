"""Frames of a film by number: the same pixels as decoding it from its start, after a seek to a key frame.

A film's packets say when each frame is shown; they are read without decoding. So frames have numbers and
times also where the header is wrong and the rate varies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, UnreadableImage
from .file_types import Source, name_of
from .images import max_pixels
from .video_probe import library, open_container

GUESSED_RATE = 25.0
"""Frames a second of a film that does not say."""
UNSEEN = 2
"""Frames that a header may count too many."""


@dataclass(frozen=True)
class FilmIndex:
    """When the frames of a film are shown.

    Attributes:
        pts: (T,) presentation time stamps, rising; or numbers from 0 where packets have none.
        keys: Time stamps of the key frames, rising; None where packets have no time stamps.
        seconds: (T,) seconds from the first frame.
        missing: Frames that the header counts and the film has not; where it says how long a film of
            constant rate is, those after its end; 0 where it says neither.
    """

    pts: np.ndarray
    keys: np.ndarray | None
    seconds: np.ndarray
    missing: int = 0


def film_index(source: Source) -> FilmIndex:
    """The index of a film, read once for each state of a file.

    Raises:
        UnreadableImage: If it is no film, or has no frame.
    """
    if isinstance(source, bytes):
        return _read_index(source)
    try:
        return _index(str(source), source.stat().st_mtime_ns)
    except OSError as error:
        text = f"cannot be opened ({error.strerror or error})"
        raise UnreadableImage(source, "unreadable", text) from error


def film_frames(source: Source, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Some frames of a film, each (H, W, 3) RGB or (H, W, 1) uint8, turned as the film says.

    Frames that cannot be decoded are missing in the result.

    Args:
        source: The film, or its bytes.
        numbers: From 0, in the order in which they are shown.

    Raises:
        UnreadableImage: If it is no film, or has no frame.
    """
    return dict(each_film_frame(source, numbers))


def each_film_frame(source: Source, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The same frames one after the other, each with its number; none but the last is in memory."""
    index, wanted = film_index(source), set(numbers)
    with _opened(source) as (container, stream):
        if index.keys is None:
            decoded = enumerate(_decoded(container, stream))
            yield from ((n, _pixels(f)) for n, f in decoded if n in wanted and not f.is_corrupt)
            return
        targets = {int(index.pts[number]): number for number in wanted}
        yield from _sought(container, stream, index.keys, targets)


def _sought(
    container: Any, stream: Any, keys: np.ndarray, targets: dict[int, int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames by number, for the numbers by time stamp: decoded from the key frame before each on."""
    at: int | None = None  # time stamp of the last decoded frame
    frames = _decoded(container, stream)
    for target in sorted(targets):
        if at is not None and target <= at:
            continue
        key = int(keys[max(int(np.searchsorted(keys, target, side="right")) - 1, 0)])
        if (at is None and key > keys[0]) or (at is not None and key > at):
            container.seek(key, stream=stream, backward=True)
            frames = _decoded(container, stream)
        for frame in frames:
            at = frame.pts
            if at in targets and not frame.is_corrupt:
                yield targets[at], _pixels(frame)
            if at is not None and at >= target:
                break


@lru_cache(maxsize=8192)
def _index(name: str, changed: int) -> FilmIndex:
    del changed
    return _read_index(Path(name))


def _read_index(source: Source) -> FilmIndex:
    with _opened(source) as (container, stream):
        base = float(stream.time_base or 0)
        rate = float(stream.average_rate or stream.guessed_rate or GUESSED_RATE)
        # The packets themselves are not kept: they are the whole film, compressed.
        marks, count = [], 0
        for packet in _packets(container, stream):
            count += packet.dts is not None or packet.size > 0
            if packet.size and not packet.is_discard:
                marks.append((packet.pts, packet.is_keyframe))
        if not marks:
            raise UnreadableImage(name_of(source), "unreadable", "has no frame")
        missing = _missing(int(stream.frames) - count) if stream.frames else 0
        if any(pts is None for pts, _ in marks) or not base:
            numbers = np.arange(len(marks))
            return FilmIndex(numbers, None, numbers / rate, missing)
        pts = np.unique(np.array([pts for pts, _ in marks], dtype=np.int64))
        keys = np.unique(np.array([pts for pts, is_key in marks if is_key], dtype=np.int64))
        seconds = (pts - pts[0]) * base
        return FilmIndex(pts, keys, seconds, missing or _after_end(container, seconds, rate))


def _after_end(container: Any, seconds: np.ndarray, rate: float) -> int:
    """Frames of a Matroska or WebM film after its end, by the length in its header: it counts no frames. At a
    varying rate the last frame may be shown for any time, and with sound the length may be that of the sound.
    """
    varies = len(seconds) < 2 or np.diff(seconds).max() > 1.5 / rate
    if "matroska" not in container.format.name or len(container.streams) > 1 or varies:
        return 0
    return _missing(round(((container.duration or 0) / 1e6 - float(seconds[-1])) * rate) - 1)


def _missing(lacking: int) -> int:
    return lacking if lacking > UNSEEN else 0


@contextmanager
def _opened(source: Source) -> Iterator[tuple[Any, Any]]:
    """A film's container and its first stream of images that is no cover."""
    name = "the film" if isinstance(source, bytes) else source.name
    try:
        container = open_container(source if isinstance(source, bytes) else str(source), "", name)
    except DataError as error:
        why = str(error).removeprefix(f"{name} ").removesuffix(".")
        raise UnreadableImage(name_of(source), "unreadable", why) from error
    with container:
        for stream in container.streams.video:
            if "attached_pic" not in str(getattr(stream, "disposition", "")):
                break
        else:
            what = f"has no video stream, only {len(container.streams)} other streams"
            raise UnreadableImage(name_of(source), "not-an-image", what)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > max_pixels():
            what = f"has frames of {width} x {height}, more than the limit of {max_pixels():,} pixels. Set "
            raise UnreadableImage(name_of(source), "bomb", what + "SIGHTLINE_MAX_PIXELS if it is meant")
        yield container, stream


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets until the end of the file, or until it is damaged."""
    av = library()
    try:
        yield from container.demux(stream)
    except (av.FFmpegError, OSError):
        return


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from where the container stands; packets that cannot be decoded give none."""
    av = library()
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from frames


def _pixels(frame: Any) -> np.ndarray:
    """(H, W, 3) RGB, or (H, W, 1) of a gray film, turned by the display matrix."""
    gray = frame.format.name.startswith("gray")
    pixels = frame.to_ndarray(format="gray" if gray else "rgb24")
    pixels = pixels[..., None] if gray else pixels
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
