"""Clips of 8 bits: films, animations, arrays, TIFF of several pages, and folders of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...data.io.clip_frames import (
    clip_seconds,
    clip_strip,
    clip_view,
    clips_of,
    decoded_frames,
    lost_in_words,
    sampled_at,
)
from ...data.io.file_types import name_of
from ...errors import MissingExtra, UnreadableImage, UsageError
from ..resize import resize_to_input
from .base import InputReader, ItemSource, Prepared, check_sides

_MAX_FRAMES = 2**12
_SHOWN = 6


class ClipReader(InputReader):
    """A clip: frames evenly spread in time. An array is (T, H, W, C); a still image is one frame."""

    name: ClassVar[str] = "clip"
    axes: ClassVar[tuple[str, ...]] = ("channels", "frames", "height", "width")

    def rules(self) -> Mapping[str, Callable[[Any], bool]]:
        """How many frames the model sees."""
        return {"frames": lambda v: isinstance(v, int) and 0 < v <= _MAX_FRAMES}

    def items(self, files: Sequence[Path]) -> list[Path]:
        """Films and animations, and folders of still images."""
        return clips_of(files)

    def prepare(self, source: ItemSource, page: int, settings: Mapping[str, Any]) -> Prepared:
        """A clip; see `InputReader.prepare`."""
        size, mode, channels, count = (settings[name] for name in ("size", "resize", "channels", "frames"))
        if isinstance(source, np.ndarray):
            frames, lost = _checked(source), 0.0
        else:
            frames, lost = _sample(source, count)
        stored = int(frames.shape[1]), int(frames.shape[2])
        check_sides(stored, "the clip" if isinstance(source, np.ndarray) else source)
        view = clip_view(frames, count, lambda frame: resize_to_input(frame, size, mode, channels))
        note = lost_in_words(lost) if lost else ""
        return Prepared(np.ascontiguousarray(view.transpose(3, 0, 1, 2)), stored, note)

    def shown(self, source: Path | bytes) -> NDArray[np.uint8]:
        """Frames that are evenly spread over the clip, side by side."""
        return clip_strip(_sample(source, _SHOWN)[0], _SHOWN)


def _sample(source: Path | bytes, count: int) -> tuple[NDArray[np.uint8], float]:
    """(count, H, W, C) frames, evenly spread in time, and the share that cannot be decoded.

    Raises:
        UnreadableImage: If it is no clip of 8 bits, grey or in colors; or a film, without PyAV.
    """
    try:
        frames, lost = decoded_frames(source, sampled_at(clip_seconds(source), count), False)
    except MissingExtra as error:
        what = "is no image or array, and films need PyAV: pip install av"
        raise UnreadableImage(name_of(source), "unsupported", what) from error
    if frames.dtype != np.uint8 or frames.shape[3] not in (1, 3):
        what = f"has {frames.shape[3]} bands of {frames.dtype}; clips of 8 bits, grey or in colors, are read"
        raise UnreadableImage(name_of(source), "unsupported", what)
    return frames, lost


def _checked(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    frames = pixels[None] if pixels.ndim == 3 else pixels
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3) or not frames.size:
        raise UsageError(
            f"A clip as an array is (T, H, W, 3 or 1) uint8. Received {pixels.shape} {pixels.dtype}."
        )
    return frames


INPUT = ClipReader()
