"""Windows of films, for models of clips: each is a clip of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sightline.data.io.clip_windows import clip_windows
from sightline.data.io.clips import ClipFiles
from sightline.data.io.pixels import Arrays, Files
from sightline.errors import UnreadableImage, UsageError
from sightline.inference.input_item import Input


@dataclass(frozen=True)
class WindowOptions:
    """How films are cut into clips.

    Attributes:
        length: Seconds of a window.
        stride: Seconds from the start of a window to that of the next.
    """

    length: float
    stride: float

    @classmethod
    def of(cls, window: float | None, stride: float | None) -> WindowOptions | None:
        """The options as given, in seconds; None where no window is asked for.

        Raises:
            UsageError: If a stride is given without a window.
        """
        if window is None:
            if stride is not None:
                raise UsageError("--stride is the step of windows: give --window too, such as --window 2s.")
            return None
        return cls(window, window if stride is None else stride)

    def cut(self, item: Input, frames: int) -> Iterator[Input]:
        """The windows of a film, one after the other, each with some of its frames.

        Args:
            item: The film.
            frames: Frames of a window.

        Raises:
            UsageError: If it is no file.
        """
        if not isinstance(item.pixels, ClipFiles):
            raise UsageError("--window cuts files by their time, and an array in memory has none. Cut it.")
        try:
            for window in clip_windows(item.pixels.path(0), self.length, self.stride, frames):
                part = (round(window.start, 6), round(window.end, 6))
                if window.frames is None:
                    yield replace(item, pixels=Files([]), error=window.error, part=part)
                else:
                    pixels = Arrays(item.pixels.scaled(window.frames)[None], "clip")
                    yield replace(item, pixels=pixels, part=part)
        except UnreadableImage as error:
            yield replace(item, pixels=Files([]), error=error.detail)
