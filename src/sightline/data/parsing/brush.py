"""Label Studio's brush strokes: an image of four channels with a bitwise run-length encoding.

Source: the layout that thi.ng/rle-pack documents, which Label Studio uses: 32 bits number of words, 5 bits
size of a word less one, four times 4 bits size of a count less one; then groups of one bit (whether a word
repeats), two bits (which of the four sizes), the count less one, and the word, or as many words as counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.data.io.images import max_pixels
from sightline.ops.contours import Part, cut_out

_CHANNELS = 4


def brushed(codes: Any, size: tuple[int, int] | None) -> Part:
    """Mask of a brush stroke: pixels whose last channel is not 0.

    Args:
        codes: The list `rle`, bytes as numbers.
        size: Height and width of the image, as the annotation says them.

    Raises:
        ValueError: If these are no bytes, they end too early, or they are of another size.
    """
    if size is None:
        raise ValueError("the size of its image (original_width, original_height) is not given")
    if not isinstance(codes, list) or not all(type(c) is int and 0 <= c < 256 for c in codes):
        raise ValueError("rle is no list of bytes")
    height, width = size
    total = height * width * _CHANNELS
    if total > _CHANNELS * max_pixels():
        raise ValueError(f"its size {size} is above the limit of {max_pixels():,} pixels")
    bits = _Bits(bytes(codes))
    count = bits.next(32)
    if count != total:
        raise ValueError(
            f"the run-length code holds {count:,} numbers, not {height} x {width} x 4 = {total:,}"
        )
    word, sizes = bits.next(5) + 1, [bits.next(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=bool)
    at = 0
    while at < total:
        repeats = bits.next(1)
        end = at + bits.next(sizes[bits.next(2)]) + 1
        if end > total:
            raise ValueError(f"the runs add up to more than the {total:,} numbers of the image")
        if repeats:
            values[at:end] = bits.next(word) != 0
        else:
            values[at:end] = [bits.next(word) != 0 for _ in range(end - at)]
        at = end
    return cut_out(values.reshape(height, width, _CHANNELS)[..., -1])


class _Bits:
    """Bit reader, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def next(self, count: int) -> int:
        """Next number of this many bits.

        Raises:
            ValueError: If fewer are left.
        """
        text = self._bits[self._at : self._at + count]
        if len(text) < count:
            raise ValueError("the run-length code is cut off")
        self._at += count
        return int(text, 2)
