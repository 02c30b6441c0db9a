"""The one video decoder: files, webcams and streams, frame by frame. `video_writer.py` writes.

A thread decodes a few frames ahead and then waits, so that memory does not grow with the length of a video.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from sightline.data.io.images import max_pixels
from sightline.data.io.video_probe import (
    EXTENSIONS,
    TIMEOUT,
    addresses,
    is_film,
    is_video,
    library,
    open_container,
    reason,
    webcam,
)
from sightline.errors import DataError

__all__ = ["EXTENSIONS", "Facts", "Frame", "Video", "addresses", "is_film", "is_video", "library"]

AHEAD = 8
"""Frames that are decoded before they are asked for."""


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        number: From 0. Damaged frames, and those that a camera gave too fast, leave gaps.
        seconds: When it is shown, counted from the first frame.
        pixels: (H, W, 3) uint8 RGB, turned as the file says.
    """

    number: int
    seconds: float
    pixels: np.ndarray


@dataclass(frozen=True)
class Facts:
    """Metadata of a video before it is read.

    Attributes:
        width: Pixels, as shown (after rotation).
        height: Pixels, as shown.
        fps: Frames a second, on average; 0 where unknown.
        count: Frames, as the header says or by duration and rate; 0 where unknown.
        seconds: Duration; 0 where unknown.
        codec: Name of the codec ("h264").
    """

    width: int
    height: int
    fps: float
    count: int
    seconds: float
    codec: str


class Video:
    """A video whose frames are read once, in order.

    The first frame is decoded when it is opened: what cannot be decoded at all is told then. Rotation is
    applied in steps of 90 degrees; colours are converted as the file says (BT.601, BT.709, range).

    Args:
        source: A file; the number of a webcam (0 or "0"); or an address (see `addresses`).
        ahead: Frames that may wait to be used. A file is decoded no further until one is taken; of a live
            source the oldest one is dropped, so that what is seen is never old.

    Attributes:
        name: How messages and results name it: without user name and password of an address.
        live: Whether it is a webcam or a stream, which has no end. A film that is fetched by http and says
            how long it is, is none: it waits for its reader.
        facts: Size, rate and length.
        decoded: Frames decoded so far.
        dropped: Frames of a live source that nobody took in time.

    Raises:
        UsageError: If there is no such webcam, or it may not be opened; if the network is forbidden.
        DataError: If it is no video, is damaged from the start, or the stream does not answer.
        MissingExtra: If PyAV is not installed.
    """

    def __init__(self, source: Path | str | int, ahead: int = AHEAD) -> None:
        self._av = library()
        text = str(source)
        scheme = urlsplit(text).scheme if "://" in text else ""
        camera = not isinstance(source, Path) and text.isdigit()
        self.name = f"webcam-{text}" if camera else re.sub(r"(?<=://)[^/@]*@", "", text)
        self.decoded = self.dropped = self._damaged = 0
        self._end = self._last = 0.0
        self._first_damage = -1
        self._cut = False
        self._container = webcam(int(text)) if camera else open_container(text, scheme, self.name)
        try:
            self.live = camera or (bool(scheme) and not (scheme.startswith("http") and self._seconds()))
            self._stream = self._video_stream()
            self._frames = self._decode()
            first = next(self._frames, None)
            if first is None:
                raise DataError(f"{self.name} {self._trouble() or 'has no frame that can be decoded.'}")
        except BaseException:
            self._container.close()
            raise
        self.facts = self._facts(first)
        self._waiting: queue.Queue[Frame | BaseException | None] = queue.Queue(max(1, ahead))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(first,), daemon=True)

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames, in order.

        Raises:
            DataError: After the last frame that is there, if the file is cut off or damaged; says where.
        """
        if self._thread.ident is not None:
            raise ValueError(f"{self.name} has been read already; open it again.")
        self._thread.start()
        try:
            while (item := self._waiting.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.close()

    def close(self) -> None:
        """Stop decoding; no more frames follow."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * TIMEOUT)
        if not self._thread.is_alive():
            self._container.close()

    def _fill(self, first: Frame) -> None:
        """Main function of the thread: put frames, at last None or the error."""
        last: BaseException | None = None
        try:
            if not self._put(first):
                return
            for frame in self._frames:
                if not self._put(frame):
                    return
            # A stream that is joined begins with damage, and one that ends within a frame has broken off.
            last = self._short() if self._cut or not self.live else None
        except BaseException as error:  # handed on to whoever reads
            last = error
        self._put(last)

    def _put(self, item: Frame | BaseException | None) -> bool:
        """Put an item into the queue; False if the reader has stopped."""
        dropping = self.live and isinstance(item, Frame)
        while not self._stop.is_set():
            try:
                self._waiting.put(item, timeout=0 if dropping else 0.05)
                return True
            except queue.Full:
                if dropping:
                    self._drop()
        return False

    def _drop(self) -> None:
        try:
            self._waiting.get_nowait()
            self.dropped += 1
        except queue.Empty:
            pass

    def _video_stream(self) -> Any:
        """The first video stream that is not a cover image."""
        for stream in self._container.streams.video:
            if "attached_pic" not in str(getattr(stream, "disposition", "")):
                break
        else:
            raise DataError(f"{self.name} has no images in it: {len(self._container.streams)} other streams.")
        width, height, limit = stream.codec_context.width, stream.codec_context.height, max_pixels()
        if width * height > limit:
            raise DataError(
                f"{self.name} is {width} x {height}, more than the limit of {limit:,} pixels a frame. "
                "Set SIGHTLINE_MAX_PIXELS if it is meant."
            )
        # By frames is faster, but shows each some frames late, and may not tell that the last one is damaged.
        stream.thread_type = "SLICE" if self.live else "AUTO"
        return stream

    def _decode(self) -> Iterator[Frame]:
        """Complete frames; damaged ones are counted and left out."""
        started: float | None = None
        try:
            # All streams are followed: where the file ends is told by sound too.
            for packet in self._container.demux():
                if packet.pts is not None and packet.time_base:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._end = max(self._end, float(end))
                if packet.stream.index != self._stream.index:
                    continue
                for frame in self._whole(packet):
                    at = frame.time if frame.time is not None else self.decoded / (self._rate() or 25)
                    started = at if started is None else started
                    self._last = at - started
                    yield Frame(self.decoded - 1, self._last, _upright(frame))
        except (self._av.FFmpegError, OSError) as error:
            self._note_damage()
            self._cut = True
            if self.live:
                where = f"after {self.decoded} frames" if self.decoded else "before its first frame"
                raise DataError(f"{self.name} broke off {where}: {reason(error)}.") from error

    def _whole(self, packet: Any) -> Iterator[Any]:
        self._cut = bool(packet.is_corrupt) or (self._cut and packet.dts is None)
        frames: list[Any] = []
        if packet.is_corrupt:
            self._note_damage()
        else:
            try:
                frames = packet.decode()
            except self._av.FFmpegError:
                self._note_damage()
        for frame in frames:
            if frame.is_corrupt:
                self._note_damage()
                self._cut = self._cut or self.live  # sound frames that follow take it back
            self.decoded += 1
            if not frame.is_corrupt:
                yield frame

    def _note_damage(self) -> None:
        self._damaged += 1
        if self._first_damage < 0:
            self._first_damage = self.decoded

    def _rate(self) -> float:
        return float(self._stream.average_rate or self._stream.guessed_rate or 0)

    def _seconds(self) -> float:
        duration = self._container.duration
        return duration / 1e6 if duration and duration > 0 else 0.0

    def _facts(self, first: Frame) -> Facts:
        height, width = first.pixels.shape[:2]
        codec = str(self._stream.codec_context.name)
        seconds = 0.0 if self.live else self._seconds()
        return Facts(width, height, self._rate(), self._count(), seconds, codec)

    def _count(self) -> int:
        return 0 if self.live else int(self._stream.frames or round(self._seconds() * self._rate()))

    def _short(self) -> DataError | None:
        """The error of a truncated or damaged file, if it is one."""
        trouble = self._trouble()
        return DataError(f"{self.name} {trouble}") if trouble else None

    def _trouble(self) -> str:
        """Description of what is wrong with the file, as far as it was read.

        One or two frames less may go unseen, and an MPEG transport stream does not say how long it is.
        """
        period = 1 / (self._rate() or 25)
        start = (self._container.start_time or 0) / 1e6
        has_length = self._container.format.name != "mpegts"  # its length may be a guess
        missing = has_length and self._seconds() - (self._end - start) > 2.5 * period
        if self._container.format.name == "avi":  # its header counts frames, and its duration is made up
            missing = self.decoded + 2 < self._stream.frames
        if self._cut or missing:
            of = f" of about {self._count()}" if self._count() else ""
            used = "; those before have been used" if self.decoded > self._damaged else ""
            return f"is cut off: it ends after {self.decoded} frames{of}, at {self._last:.2f} s{used}."
        if self._damaged:
            return (
                f"is damaged: {self._damaged} of its frames could not be decoded and are left out, "
                f"the first at number {self._first_damage}."
            )
        return ""


def _upright(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned by the display matrix."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
