"""Clips on disk: films, animations, arrays, TIFF of several pages and folders of frames, or parts of them.

Only the frames that are asked for are decoded, so that an hour of film costs no more memory than a second.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.data.io.animations import animation_frames, animation_seconds
from sightline.data.io.file_types import ALL_EXTENSIONS, ARRAY_EXTENSIONS
from sightline.data.io.films import film_frames, film_index
from sightline.data.io.images import decode, frame_count, full_pages
from sightline.data.io.items import ItemFiles
from sightline.data.io.levels import Span
from sightline.data.io.numpy_files import array_facts
from sightline.data.io.pixels import Files
from sightline.data.io.stacks import read_stack
from sightline.data.io.video_probe import EXTENSIONS
from sightline.data.io.walk import files_in
from sightline.errors import UnreadableImage

STILLS = frozenset(ALL_EXTENSIONS) - {".gif", *ARRAY_EXTENSIONS}
"""Endings of the frames of a folder."""
ANIMATED = frozenset({".gif", ".webp", ".png", ".apng", ".tif", ".tiff"})
"""Endings of images that may hold several frames."""
FRAME_RATE = 25.0
"""Frames a second where a folder of frames or an array does not say."""
MAX_LOST = 0.2
"""Share of frames that cannot be decoded, above which a clip is refused."""


@dataclass(frozen=True)
class Segment:
    """The part of a film that is one clip.

    Attributes:
        start: First second, or first frame from 0.
        end: Last second, or last frame; None: until the end.
        in_frames: Whether these are numbers of frames.
    """

    start: float = 0.0
    end: float | None = None
    in_frames: bool = False


class ClipFiles(ItemFiles):
    """Clips as a source of items, (T, H, W, C) each.

    Args:
        files: A film, an animation, an array or a folder of frames for each clip.
        segments: The part of each that is the clip; None: all of it.
        stored: Type of the numbers; see `ItemFiles`.
        span: See `ItemFiles`.
    """

    def __init__(
        self,
        files: Files,
        segments: Sequence[Segment] | None = None,
        stored: str = "uint8",
        span: Span | None = None,
    ) -> None:
        super().__init__(files, read_stack, "clip", stored, span)
        self.segments = None if segments is None else list(segments)

    def frames_of(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """(T,) numbers of the frames of clip i in its file, and (T,) the seconds at which they are shown.

        Raises:
            UnreadableImage: If the file cannot be read, or has no frame there.
        """
        seconds = clip_seconds(self.path(i))
        numbers = np.arange(len(seconds))
        if self.segments is not None:
            part = self.segments[i]
            place = numbers if part.in_frames else seconds
            inside = (place >= part.start) & (place <= (np.inf if part.end is None else part.end))
            if not inside.any():
                unit = "frames" if part.in_frames else "s"
                what = f"has no frame from {part.start:g} to {part.end:g} {unit}; it ends at {place[-1]:g}"
                raise UnreadableImage(self.path(i), "unsupported", what)
            numbers, seconds = numbers[inside], seconds[inside]
        return numbers, seconds

    def sample(self, i: int, count: int, strict: bool = False) -> np.ndarray:
        """(count, H, W, C) frames of clip i, evenly spread in time; a short clip repeats frames.

        Args:
            i: Which clip.
            count: Frames.
            strict: Whether a clip of which more than `MAX_LOST` cannot be decoded is refused.

        Raises:
            UnreadableImage: If none can be decoded, or too few and `strict`.
        """
        numbers, seconds = self.frames_of(i)
        wanted = numbers[shown_at(seconds, np.linspace(seconds[0], seconds[-1], count))]
        return self.scaled(self._decoded(i, wanted, strict)[0])

    def read_stored(self, i: int) -> np.ndarray:
        """All frames of clip i with their numbers as stored; see `ItemFiles`."""
        return self._decoded(i, self.frames_of(i)[0], True)[0]

    def glance(self, i: int, most: int, short: int) -> tuple[np.ndarray, int, float]:
        """Frames that stand for clip i, as stored; how many it has; and the share that cannot be decoded.

        Args:
            i: Which clip.
            most: Frames that are decoded of a long clip.
            short: A clip of up to so many frames is decoded whole.

        Raises:
            UnreadableImage: If it cannot be read, or more than `MAX_LOST` cannot be decoded.
        """
        numbers, seconds = self.frames_of(i)
        if len(numbers) > short:
            wanted = numbers[shown_at(seconds, np.linspace(seconds[0], seconds[-1], most))]
        else:
            wanted = numbers
        frames, lost = self._decoded(i, wanted, True)
        return frames, len(numbers), lost

    def spanned(self, span: Span | None) -> ClipFiles:
        """The same clips, scaled by a span of values."""
        return ClipFiles(self._files, self.segments, self.stored, span)

    def subset(self, indices: np.ndarray) -> ClipFiles:
        """The same clips, other order or fewer."""
        parts = None if self.segments is None else [self.segments[i] for i in indices]
        return ClipFiles(self._files.subset(indices), parts, self.stored, self.span)

    def digest(self, i: int) -> str:
        """Digest of the bytes of the file, or of all files of a folder, and of the part that is the clip."""
        path = self.path(i)
        if not path.is_dir() and self.segments is None:
            return self._files.digest(i)
        whole = hashlib.blake2b(digest_size=16)
        for file in frame_files(path) if path.is_dir() else [path]:
            whole.update(Files([file]).digest(0).encode())
        if self.segments is not None:
            whole.update(repr(self.segments[i]).encode())
        return whole.hexdigest()

    def _decoded(self, i: int, wanted: np.ndarray, strict: bool) -> tuple[np.ndarray, float]:
        """(len(wanted), H, W, C) frames, the nearest good one for each that is lost; the share of those."""
        path = self.path(i)
        frames = clip_frames(path, sorted({int(n) for n in wanted}))
        good = np.array(sorted(frames), dtype=np.int64)
        lost = 1 - len(good) / len({*wanted.tolist()})
        if not len(good) or (strict and lost > MAX_LOST):
            what = f"is damaged: {lost:.0%} of its frames cannot be decoded"
            raise UnreadableImage(path, "unreadable", what)
        if lost > 0:
            _say_lost(str(path), lost)
        chosen = good[nearest(good, wanted)]
        return np.stack(_alike(path, [frames[int(n)] for n in chosen])), lost


def shown_at(seconds: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(W,) index of the frame that is shown at each time, or half a usual frame later: at a constant rate the
    nearest one."""
    usual = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    return (np.searchsorted(seconds, times + usual / 2 + 1e-9, side="right") - 1).clip(0, len(seconds) - 1)


def nearest(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(W,) index of the nearest of some rising values for each wanted one; the earlier of two alike."""
    right = np.searchsorted(values, wanted).clip(1, max(len(values) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(values) - 1)
    return np.where(wanted - values[left] <= values[right] - wanted, left, right)


def clip_seconds(path: Path) -> np.ndarray:
    """(T,) when each frame of a clip is shown, in seconds from the first.

    Raises:
        UnreadableImage: If it cannot be read, or has no frame.
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        text = f"cannot be opened ({error.strerror or error})"
        raise UnreadableImage(path, "unreadable", text) from error
    return _seconds(str(path), changed)


def clip_frames(path: Path, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Some frames of a clip by number, (H, W, C) each; films lack those that cannot be decoded.

    Raises:
        UnreadableImage: If it cannot be read.
    """
    if path.is_dir():
        return _good(frame_files(path), numbers)
    ending = path.suffix.lower()
    if ending in ARRAY_EXTENSIONS:
        stack = read_stack(path)
        return {n: stack[n] for n in numbers}
    if ending in (".tif", ".tiff"):
        pages = _pages(path)
        return {n: decode(path, page=pages[n]) for n in numbers}
    return animation_frames(path, numbers) if ending in ALL_EXTENSIONS else film_frames(path, numbers)


def frame_files(folder: Path) -> list[Path]:
    """The still images that lie in a folder, in natural order: frame_2 before frame_10."""
    return sorted(files_in(folder, *STILLS), key=natural)


def natural(path: Path) -> list[tuple[int, int | str]]:
    """Sorting key by which numbers within names count as numbers."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def is_clip(path: Path) -> bool:
    """Whether a file is a clip by its ending: a film, an array, or an image that holds several frames."""
    ending = path.suffix.lower()
    if ending in ANIMATED - {".gif"}:
        try:
            return len(_pages(path)) > 1 if ending in (".tif", ".tiff") else frame_count(path) > 1
        except UnreadableImage:
            return False
    return ending in EXTENSIONS or ending in ARRAY_EXTENSIONS or ending == ".gif"


@lru_cache(maxsize=8192)
def _seconds(name: str, changed: int) -> np.ndarray:
    path = Path(name)
    if path.is_dir():
        count = len(frame_files(path))
    elif path.suffix.lower() in ARRAY_EXTENSIONS:
        count = array_facts(path).shape[0]
    elif path.suffix.lower() in (".tif", ".tiff"):
        count = len(_pages(path))
    elif path.suffix.lower() in ALL_EXTENSIONS:
        return animation_seconds(path)
    else:
        return film_index(path).seconds
    if not count:
        raise UnreadableImage(path, "empty", "has no frame")
    return np.arange(count) / FRAME_RATE


@lru_cache(maxsize=8192)
def _say_lost(name: str, lost: float) -> None:
    """Say once of a file that some of its frames cannot be decoded."""
    say(f"{name}: {lost:.0%} of the frames cannot be decoded; the nearest good ones stand for them.")


def _pages(path: Path) -> list[int]:
    pages = full_pages(path)
    return pages if len(pages) > 1 else list(range(frame_count(path)))


def _good(files: Sequence[Path], numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """The frames of a folder that can be decoded."""
    frames = {}
    for n in numbers:
        try:
            frames[n] = decode(files[n])
        except UnreadableImage:
            continue
    return frames


def _alike(path: Path, frames: list[np.ndarray]) -> list[np.ndarray]:
    """Frames of one shape: gray ones among those in color become color.

    Raises:
        UnreadableImage: If they differ in size.
    """
    channels = max(frame.shape[-1] for frame in frames)
    if channels == 3:
        frames = [np.repeat(f, 3, -1) if f.shape[-1] == 1 else f for f in frames]
    if len({frame.shape for frame in frames}) > 1:
        sizes = ", ".join(sorted({f"{f.shape[1]} x {f.shape[0]}" for f in frames}))
        raise UnreadableImage(path, "unsupported", f"holds frames of different sizes ({sizes})")
    return frames
