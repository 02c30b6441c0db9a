"""Preprocessing without torch: bit for bit equal to `data.loading.preprocess.view`.

Pixels are scaled with integer weights of 15 bits or less. Floats hold these sums exactly (see
`_filters`), so they are computed as matrix products, which are fast everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ops.resize_shape import ResizeMode, input_shape, resized_shape

Floats = NDArray[np.floating]
Span = tuple[int, int]
VisibleSpans = tuple[Span, Span]

PAD_GRAY = 114
_BLOCK = 16
"""Places along a side that are computed by one product."""
_BUFFER_BYTES = 2**19
"""Numbers of a band of rows that are there as floats at a time."""
_LONG = 2**14
"""Sides beyond it are scaled place by place: weights of whole blocks would take more than the image."""
_MOST, _BITS = 22, 15
"""Bits behind the point, at most; and bits of a weight."""


def resize_to_input(
    image: np.ndarray,
    size: tuple[int, int] | None,
    resize: ResizeMode = "stretch",
    channels: Literal[1, 3] = 3,
) -> np.ndarray:
    """Resize an image to the input of a model; an image of that size and channels is returned unchanged.

    Args:
        image: (H, W, C) uint8, C is 3 or 1.
        size: (height, width) wanted, or None for as it is.
        resize: stretch scales each side by itself; crop scales the short side and cuts the middle out;
            letterbox scales the long side and fills up with gray 114; rect does so in the image's own
            rectangle (`resize_shape.input_shape`).
        channels: 3, or 1 (grey by ITU-R 601).

    Returns:
        (height, width, channels) uint8, scaled bilinearly with antialias.
    """
    if image.shape[2] == 3 and channels == 1:
        image = _gray(image)
    stored = image.shape[0], image.shape[1]
    if size is not None and stored != (shape := input_shape(stored, (size[0], size[1]), resize)):
        image = _RESIZERS[resize](image, shape)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 and channels == 3 else image


def to_stored(stored: tuple[int, int], size: tuple[int, int], resize: ResizeMode) -> NDArray[np.float64]:
    """(2, 3) affine matrix from pixels (x, y) of the input to those of the stored image."""
    inner, (top, left) = resized_shape(stored, size, resize)
    across, down = 1 / (inner[1] / stored[1]), 1 / (inner[0] / stored[0])
    return np.array([[across, 0, -(across * left)], [0, down, -(down * top)]])


def resized(image: np.ndarray, size: tuple[int, int], window: VisibleSpans | None = None) -> np.ndarray:
    """(H, W, C) uint8 scaled to (height, width): first rows, then columns, like torch.

    Args:
        image: The image.
        size: Height and width that it is scaled to.
        window: Rows and columns of the result that are wanted (first, and the one after the last); of a
            thin image they may be a tiny part of it. All if left out.
    """
    height, width = image.shape[:2]
    rows, columns = window or ((0, size[0]), (0, size[1]))

    def across(first: int, last: int) -> np.ndarray:
        part = image[first:last]
        if width == size[1]:
            return part[:, slice(*columns)]
        if width <= _LONG:
            return _across(part, size[1], columns)
        turned = _along(lambda i, j: part[:, i:j].swapaxes(0, 1), width, size[1], columns)
        return np.ascontiguousarray(turned.swapaxes(0, 1))

    if height == size[0]:
        return across(*rows)
    if height <= _LONG:
        return _down(across(0, height), size[0], rows)
    return _along(across, height, size[0], rows)


class _Filter(NamedTuple):
    """How the places from `begin` to `end` of a side follow from those from `first` to `last`."""

    begin: int
    end: int
    first: int
    last: int
    weights: Floats


def _gray(image: np.ndarray) -> np.ndarray:
    """(H, W, 1) of (H, W, 3) uint8, with the weights of ITU-R 601 in 16-bit fixed point, as Pillow."""
    flat = image.reshape(-1, 3)
    out = np.empty((len(flat), 1), dtype=np.uint8)
    for i in range(0, len(flat), _BUFFER_BYTES):
        red, green, blue = (flat[i : i + _BUFFER_BYTES, k].astype(np.uint32) for k in range(3))
        out[i : i + _BUFFER_BYTES, 0] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    return out.reshape(*image.shape[:2], 1)


def _cropped(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    inner, (top, left) = resized_shape(image.shape[:2], size, "crop")
    window = (-top, size[0] - top), (-left, size[1] - left)
    return np.ascontiguousarray(resized(image, inner, window))


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    inner, (top, left) = resized_shape(image.shape[:2], size, "letterbox")
    out = np.full((*size, image.shape[2]), PAD_GRAY, dtype=np.uint8)
    out[top : top + inner[0], left : left + inner[1]] = resized(image, inner)
    return out


_RESIZERS = {"stretch": resized, "crop": _cropped, "letterbox": _padded, "rect": _padded}


def _across(image: np.ndarray, width: int, wanted: Span) -> np.ndarray:
    """Every row scaled."""
    height, old, channels = image.shape
    filters = _filters(old, width, channels, wanted)
    rows = image.reshape(height, old * channels)
    out = np.empty((height, (wanted[1] - wanted[0]) * channels), dtype=np.uint8)
    step = max(1, _BUFFER_BYTES // rows.shape[1])
    for y in range(0, height, step):
        band = rows[y : y + step].astype(filters[0].weights.dtype)
        sums = np.empty(
            (len(band), out.shape[1]), dtype=band.dtype
        )  # at once: half the time of block by block
        for begin, end, first, last, weights in filters:
            np.matmul(band[:, first:last], weights.T, out=sums[:, begin:end])
        sums += 0.5  # cut off, so rounded
        out[y : y + step] = sums
    return out.reshape(height, -1, channels)


def _down(image: np.ndarray, height: int, wanted: Span) -> np.ndarray:
    """Every column scaled."""
    old, width, channels = image.shape
    rows = image.reshape(old, width * channels)
    out = np.empty((wanted[1] - wanted[0], width * channels), dtype=np.uint8)
    for begin, end, first, last, weights in _filters(old, height, 1, wanted):
        out[begin:end] = weights @ rows[first:last].astype(weights.dtype) + 0.5
    return out.reshape(-1, width, channels)


def _along(source: Callable[[int, int], np.ndarray], old: int, new: int, wanted: Span) -> np.ndarray:
    """A long side scaled, one place of the result after the other, so that memory does not grow with it.

    Args:
        source: Gives the places from one to another of the long side, (n, other side, C) uint8.
        old: Places there are.
        new: Places that they become.
        wanted: Which of these.
    """
    bits, rows = _bits(_top(old, new)), []
    for place in range(*wanted):
        start, shares = _weights(old, new, np.array([place]))
        first = int(start[0])
        exact = _whole(shares[0], bits)[: old - first] * 2.0**-bits
        total: Any = 0.0
        step = max(1, _BUFFER_BYTES // max(1, source(first, first + 1).size))
        for i in range(0, len(exact), step):
            part = source(first + i, first + min(i + step, len(exact)))
            total = total + np.tensordot(exact[i : i + step], part.astype(np.float64), 1)
        rows.append((total + 0.5).astype(np.uint8))
    return np.stack(rows)


@lru_cache(maxsize=8)
def _filters(old: int, new: int, channels: int, wanted: Span) -> list[_Filter]:
    """Weights that scale a side of `old` places, of so many interleaved numbers each, to the wanted ones of
    `new` places.

    They are whole multiples of 2^-bits. A sum is one too, and below 256: with up to 16 bits a float of 32
    bits (24 of them for the number) holds it and all that is added up on the way, in whatever order.
    """
    start, shares = _weights(old, new, np.arange(*wanted))
    bits = _bits(_top(old, new))
    kind = np.float32 if bits <= 16 else np.float64
    exact = (_whole(shares, bits) * 2.0**-bits).astype(kind)
    count, most = exact.shape
    filters = []
    for begin in range(0, count, _BLOCK):
        end = min(count, begin + _BLOCK)
        first, last = int(start[begin]), min(old, int(start[end - 1]) + most)
        columns = start[begin:end, None] - first + np.arange(most)
        matrix = np.zeros((end - begin, int(columns.max()) + 1), dtype=kind)
        matrix[np.arange(end - begin)[:, None], columns] = exact[begin:end]
        matrix = matrix[:, : last - first]  # what is beyond weighs nothing
        if channels > 1:
            matrix = np.kron(matrix, np.eye(channels, dtype=kind))
        begin, end, first, last = (channels * v for v in (begin, end, first, last))
        filters.append(_Filter(begin, end, first, last, matrix))
    return filters


def _weights(old: int, new: int, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Triangle filter of some positions of the result, like torch and Pillow.

    Returns:
        (P,) first place of each, and (P, most) weights of it and those that follow, which add up to 1.
    """
    scale = old / new
    reach = max(scale, 1.0)
    most = 2 * int(np.ceil(reach)) + 1
    center = scale * (places + 0.5)
    first = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    count = np.minimum(np.minimum((center + reach + 0.5).astype(np.int64), old) - first, most)
    place = np.arange(most)
    far = np.abs((place + first[:, None] - center[:, None] + 0.5) * (1 / reach))
    weights = np.where((far < 1) & (place < count[:, None]), 1 - far, 0.0)
    weights /= np.cumsum(weights, 1)[:, -1:]  # added up in order: the last bit counts
    return first, weights


@lru_cache(maxsize=64)
def _top(old: int, new: int) -> float:
    """The greatest weight."""
    if new >= old:
        return 1.0  # that of the first place, which lies before the middle of the first pixel
    step = max(1, _BUFFER_BYTES * new // (2 * old))
    parts = (np.arange(k, min(k + step, new)) for k in range(0, new, step))
    return max(float(_weights(old, new, part)[1].max()) for part in parts)


def _bits(top: float) -> int:
    """Fraction bits of fixed-point weights: the greatest weight gets 15 bits."""
    bits = 0
    while bits < _MOST and int(0.5 + top * 2 ** (bits + 1)) < 2**_BITS:
        bits += 1
    return bits


def _whole(weights: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """Weights in fixed point."""
    whole: NDArray[np.int64] = (0.5 + weights * 2**bits).astype(np.int64)
    return whole
