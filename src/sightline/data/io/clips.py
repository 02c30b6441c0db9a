"""Clips on disk: films, animations, arrays, TIFF of several pages and folders of frames, or parts of them.

Only the frames that are asked for are decoded, so that an hour of film costs no more memory than a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sightline.console import say
from sightline.data.io.clip_frames import (
    clip_seconds,
    cut_off,
    decoded_frames,
    frame_files,
    lost_in_words,
    sampled_at,
)
from sightline.data.io.items import ItemFiles
from sightline.data.io.levels import Span
from sightline.data.io.pixels import Files
from sightline.data.io.stacks import read_stack
from sightline.errors import UnreadableImage


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
                raise UnreadableImage(self.path(i), "no-frames", what)
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
        wanted = numbers[sampled_at(seconds, count)]
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
        wanted = numbers[sampled_at(seconds, most)] if len(numbers) > short else numbers
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
        """See `decoded_frames`; of each file it is said once that some of its frames cannot be decoded."""
        path = self.path(i)
        if self.segments is None and (what := cut_off(path, strict)):
            _say_once(f"{path} {what}.")
        frames, lost = decoded_frames(path, wanted, strict)
        if lost > 0:
            _say_once(f"{path}: {lost_in_words(lost)}")
        return frames, lost


@lru_cache(maxsize=8192)
def _say_once(text: str) -> None:
    """Say of a file, once, that some of its frames are not there."""
    say(text)
