"""Array operations of decoding: rotation, alpha on white, scaling to 8 bits. No Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]
"""Lowest and highest value of pixels."""
_AT_ONCE = 2**18
"""Pixels that are computed at a time: of a whole image wide numbers would take many times its memory."""


@dataclass
class Cuts:
    """Counter of images with values clipped to a range, and their extremes.

    Attributes:
        images: How many.
        least: Lowest value of all of them.
        most: Highest.
    """

    images: int = 0
    least: float = float("inf")
    most: float = float("-inf")


class Watched(tuple[float, float]):
    """A range for one image; clipping in that image is counted once in `cuts`."""

    def __new__(cls, span: Span, cuts: Cuts) -> Watched:
        """The span itself; see the class."""
        self = super().__new__(cls, (span[0], span[1]))
        self._cuts, self._told = cuts, False
        return self

    _cuts: Cuts
    _told: bool

    def cut(self, least: float, most: float) -> None:
        """Record that values of the image, or of a part of it, from least to most were clipped."""
        self._cuts.images += not self._told
        self._told = True
        self._cuts.least, self._cuts.most = min(self._cuts.least, least), max(self._cuts.most, most)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (Exif 2.3, tag 0x0112) of (H, W, C)."""
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation in (7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (6, 7):
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def on_white(pixels: np.ndarray) -> np.ndarray:
    """Compose on white: (H, W, C + 1) with alpha last to (H, W, C)."""
    height, width, channels = pixels.shape
    flat = pixels.reshape(-1, channels)
    out = np.empty((len(flat), channels - 1), dtype=np.uint8)
    for i in range(0, len(flat), _AT_ONCE):
        part = flat[i : i + _AT_ONCE]
        alpha = part[:, -1:].astype(np.uint16)
        out[i : i + _AT_ONCE] = (part[:, :-1] * alpha + 255 * (255 - alpha) + 127) // 255
    return out.reshape(height, width, channels - 1)


def scaled(values: np.ndarray, ceiling: float | None, span: Span | None = None) -> np.ndarray:
    """Scale finite values of more than 8 bits to uint8; clipped only to a range that was requested.

    Args:
        values: (H, W) of any real type.
        ceiling: The value that becomes 255, with 0 becoming 0. If None, 1 for values that all lie in
            [0, 1]. Where values lie outside, their own minimum and maximum are taken instead.
        span: The values that become 0 and 255, instead; those beyond become 0 or 255 too.
    """
    low, high = 0.0, 1.0 if ceiling is None else ceiling
    least, most = float(values.min()), float(values.max())
    if span is not None:
        low, high = span
        if isinstance(span, Watched) and (least < low or most > high):
            span.cut(least, most)
    elif least < low or most > high:
        low, high = least, most
    width = high - low if high > low else 1.0
    flat = values.reshape(-1)
    out = np.empty(len(flat), dtype=np.uint8)
    for i in range(0, len(flat), _AT_ONCE):
        part = flat[i : i + _AT_ONCE].astype(np.float64)
        out[i : i + _AT_ONCE] = np.rint((part.clip(low, high) - low) * (255 / width))
    return out.reshape(values.shape)
