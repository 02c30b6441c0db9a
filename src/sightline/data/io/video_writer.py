"""The one video writer: frames to an .mp4 file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sightline.data.io.video import library
from sightline.errors import DataError

# H.264 is played everywhere; which encoder is there depends on how FFmpeg was built. MPEG-4 always is.
_ENCODERS = {"libx264": "H.264", "libopenh264": "H.264", "mpeg4": "MPEG-4 part 2"}
_TICK = Fraction(1, 60000)  # holds 24, 25, 30, 50, 60 and their NTSC kin exactly; MPEG-4 allows no finer
_BITS = 0.2  # a pixel and frame, for encoders without a quality setting


class VideoWriter:
    """Writes frames to an .mp4 file with their own timestamps, without sound.

    The file is opened at the first frame and takes its size; later ones of another size are scaled to it.
    A side of odd length gets its last row or column twice, as the codecs want even ones.

    Args:
        path: File to write; replaced if it is there.
        fps: Frames a second, on average: how long the last frame is shown.

    Attributes:
        said: What is written, in words ("H.264 by libx264"); "" before the first frame.
        frames: Frames written.

    Raises:
        MissingExtra: If PyAV is not installed.
    """

    def __init__(self, path: Path, fps: float = 25.0) -> None:
        self._av, self._path, self._fps = library(), path, fps or 25.0
        self._container: Any = None
        self._stream: Any = None
        self._last = -1
        self.said, self.frames = "", 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, pixels: np.ndarray, seconds: float) -> None:
        """Write a frame.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            seconds: When it is shown; no earlier than the frame before.

        Raises:
            DataError: If the file cannot be written.
        """
        height, width = (n + n % 2 for n in pixels.shape[:2])
        try:
            if self._container is None:
                self._open(width, height)
            even = np.pad(
                pixels, ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)), mode="edge"
            )
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            frame = frame.reformat(self._stream.width, self._stream.height, self._stream.pix_fmt)
            self._last = max(self._last + 1, round(seconds / _TICK))
            frame.pts, frame.time_base = self._last, _TICK
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise DataError(f"{self._path} cannot be written: {error}.") from error
        self.frames += 1

    def _open(self, width: int, height: int) -> None:
        name = next(n for n in _ENCODERS if n in self._av.codecs_available and self._encodes(n))
        self._container = self._av.open(str(self._path), "w")
        rate = Fraction(self._fps).limit_denominator(1001)
        options = {"crf": "20", "preset": "veryfast"} if name == "libx264" else {}
        self._stream = self._container.add_stream(name, rate=rate, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = _TICK
        if name != "libx264":
            self._stream.bit_rate = max(1_000_000, int(width * height * self._fps * _BITS))
        self.said = f"{_ENCODERS[name]} by {name}, without sound"

    def _encodes(self, name: str) -> bool:
        try:
            self._av.codec.Codec(name, "w")
        except (self._av.FFmpegError, ValueError):
            return False
        return True

    def close(self) -> None:
        """Write what is still in the encoder, and end the file."""
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode(None))
        finally:
            container.close()
