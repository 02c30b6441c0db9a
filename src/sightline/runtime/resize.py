"""What a model sees of a picture, without torch: bit for bit that of `data.view.view`.

Pixels are scaled with weights of 15 bits or less, in whole numbers. Floats hold these sums exactly (see
`_filters`), so they are left to matrix products, which are fast everywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Fit = Literal["squash", "crop", "pad"]
Floats = NDArray[np.floating]

PAD_GREY = 114
_BLOCK = 16
"""Places along a side that are computed by one product."""
_HELD = 2**19
"""Numbers of a band of rows that are there as floats at a time."""
_MOST, _BITS = 22, 15
"""Bits behind the point, at most; and bits of a weight."""


def view(
    image: np.ndarray, size: tuple[int, int] | None, fit: Fit = "squash", channels: Literal[1, 3] = 3
) -> np.ndarray:
    """A picture as a model sees it; one of that size and channels already is given back unchanged.

    Args:
        image: (H, W, C) uint8, C is 3 or 1.
        size: (height, width) wanted, or None for as it is.
        fit: squash scales each side by itself; crop scales the short side and cuts the middle out; pad
            scales the long side and fills up with grey 114.
        channels: 3, or 1 (grey by ITU-R 601).

    Returns:
        (height, width, channels) uint8, scaled bilinearly with antialias.
    """
    if image.shape[2] == 3 and channels == 1:
        image = _grey(image)
    if size is not None and image.shape[:2] != tuple(size):
        image = _FITS[fit](image, size)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 and channels == 3 else image


def back(stored: tuple[int, int], size: tuple[int, int], fit: Fit) -> NDArray[np.float64]:
    """(2, 3) affine matrix from pixel coordinates (x, y) of the view to those of the stored picture."""
    inner, (top, left) = _inner(stored, size, fit)
    across, down = 1 / (inner[1] / stored[1]), 1 / (inner[0] / stored[0])
    return np.array([[across, 0, -(across * left)], [0, down, -(down * top)]])


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C) uint8 scaled to (height, width): each row, then each column, as torch does it."""
    height, width = image.shape[:2]
    if width != size[1]:
        image = _across(image, size[1])
    return image if height == size[0] else _down(image, size[0])


class _Filter(NamedTuple):
    """How the places from `begin` to `end` of a side follow from those from `first` to `last`."""

    begin: int
    end: int
    first: int
    last: int
    weights: Floats


def _inner(
    stored: tuple[int, int], size: tuple[int, int], fit: Fit
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width that a picture is scaled to; y and x of its top left corner in the view."""
    (h, w), (height, width) = stored, size
    if fit == "squash":
        return size, (0, 0)
    if fit == "crop":
        scale = max(height / h, width / w)
        inner = max(height, round(h * scale)), max(width, round(w * scale))
        return inner, (-((inner[0] - height) // 2), -((inner[1] - width) // 2))
    scale = min(height / h, width / w)
    inner = min(height, max(1, round(h * scale))), min(width, max(1, round(w * scale)))
    return inner, ((height - inner[0]) // 2, (width - inner[1]) // 2)


def _grey(image: np.ndarray) -> np.ndarray:
    """(H, W, 1) of (H, W, 3) uint8, with the weights of ITU-R 601 in 16-bit fixed point, as Pillow."""
    red, green, blue = (image[..., k].astype(np.uint32) for k in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)[..., None]


def _cropped(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    inner, (top, left) = _inner(image.shape[:2], size, "crop")
    image = resized(image, inner)
    return np.ascontiguousarray(image[-top : size[0] - top, -left : size[1] - left])


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    inner, (top, left) = _inner(image.shape[:2], size, "pad")
    out = np.full((*size, image.shape[2]), PAD_GREY, dtype=np.uint8)
    out[top : top + inner[0], left : left + inner[1]] = resized(image, inner)
    return out


_FITS = {"squash": resized, "crop": _cropped, "pad": _padded}


def _across(image: np.ndarray, width: int) -> np.ndarray:
    """Every row scaled."""
    height, old, channels = image.shape
    filters = _filters(old, width, channels)
    rows = image.reshape(height, old * channels)
    out = np.empty((height, width * channels), dtype=np.uint8)
    step = max(1, _HELD // rows.shape[1])
    for y in range(0, height, step):
        band = rows[y : y + step].astype(filters[0].weights.dtype)
        for begin, end, first, last, weights in filters:
            out[y : y + step, begin:end] = band[:, first:last] @ weights.T + 0.5  # cut off, so rounded
    return out.reshape(height, width, channels)


def _down(image: np.ndarray, height: int) -> np.ndarray:
    """Every column scaled."""
    old, width, channels = image.shape
    rows = image.reshape(old, width * channels)
    out = np.empty((height, width * channels), dtype=np.uint8)
    for begin, end, first, last, weights in _filters(old, height, 1):
        out[begin:end] = weights @ rows[first:last].astype(weights.dtype) + 0.5
    return out.reshape(height, width, channels)


@lru_cache(maxsize=8)
def _filters(old: int, new: int, channels: int) -> list[_Filter]:
    """Weights that scale a side of `old` places, of so many interleaved numbers each, to `new` places.

    They are whole multiples of 2^-bits. A sum is one too, and below 256: with up to 16 bits a float of 32
    bits (24 of them for the number) holds it and all that is added up on the way, in whatever order.
    """
    start, weights, bits = _weights(old, new)
    kind = np.float32 if bits <= 16 else np.float64
    exact = (weights * 2.0**-bits).astype(kind)
    most = weights.shape[1]
    found = []
    for begin in range(0, new, _BLOCK):
        end = min(new, begin + _BLOCK)
        first, last = int(start[begin]), min(old, int(start[end - 1]) + most)
        columns = start[begin:end, None] - first + np.arange(most)
        matrix = np.zeros((end - begin, int(columns.max()) + 1), dtype=kind)
        matrix[np.arange(end - begin)[:, None], columns] = exact[begin:end]
        matrix = matrix[:, : last - first]  # what is beyond weighs nothing
        if channels > 1:
            matrix = np.kron(matrix, np.eye(channels, dtype=kind))
        begin, end, first, last = (channels * v for v in (begin, end, first, last))
        found.append(_Filter(begin, end, first, last, matrix))
    return found


def _weights(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The triangle filter in fixed point, as torch and Pillow have it.

    Returns:
        (new,) first place of each; (new, most) whole weights; and the bits behind their point: as many as
        leave the greatest one 15 bits.
    """
    scale = old / new
    reach = max(scale, 1.0)
    most = 2 * int(np.ceil(reach)) + 1
    centre = scale * (np.arange(new) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    count = np.minimum(np.minimum((centre + reach + 0.5).astype(np.int64), old) - first, most)
    place = np.arange(most)
    far = np.abs((place + first[:, None] - centre[:, None] + 0.5) * (1 / reach))
    weights = np.where((far < 1) & (place < count[:, None]), 1 - far, 0.0)
    weights /= np.cumsum(weights, 1)[:, -1:]  # added up in order: the last bit counts
    top, bits = float(weights.max()), 0
    while bits < _MOST and int(0.5 + top * 2 ** (bits + 1)) < 2**_BITS:
        bits += 1
    return first, (0.5 + weights * 2**bits).astype(np.int64), bits
