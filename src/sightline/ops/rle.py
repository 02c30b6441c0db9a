"""COCO run-length encoding (RLE) of masks, as numbers and as text. No scipy, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.targets._sampled import Map

_DIGIT, _MORE, _FIRST = 5, 32, 48  # of a text of run lengths: bits a character, flag of more to come, "0"
_LONGEST = 12  # characters of a number that fits 63 bits, about


def rle(mask: NDArray[np.generic]) -> list[int]:
    """Encode a mask (H, W): run lengths in column order, the first run being of zeros (COCO)."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts: list[int] = np.diff(ends, prepend=0, append=flat.size).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def from_rle(counts: Sequence[int], height: int, width: int, *, by_rows: bool = False) -> Map:
    """Decode run lengths: (height, width) uint8, 1 for the object.

    Args:
        counts: Lengths of runs, zeros first.
        height: Of the mask.
        width: Of the mask.
        by_rows: Whether runs go row by row (CVAT).

    Raises:
        ValueError: If the runs are no whole numbers from 0, or their sum is another one than that of pixels.
    """
    runs = np.asarray(counts)
    if len(runs) and (runs.ndim != 1 or runs.dtype.kind not in "iu" or int(runs.min()) < 0):
        raise ValueError("the run lengths are not all whole numbers from 0")
    total = sum(runs.tolist())
    if total != height * width:
        wanted = f"{height} x {width} = {height * width:,}"
        raise ValueError(f"the run lengths add up to {total:,}, not to {wanted}")
    flat = np.repeat((np.arange(len(runs)) & 1).astype(np.uint8), runs.astype(np.int64))
    return flat.reshape(height, width) if by_rows else np.ascontiguousarray(flat.reshape(width, height).T)


def rle_text(counts: Sequence[int]) -> str:
    """Encode run lengths as COCO's compressed string.

    From the fourth number on, the difference to the number two before is stored. Each number is split into
    groups of five bits, the lowest first, with the sign in the last one. A sixth bit says that more follow;
    48 is added.
    """
    out = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            group, value = value & (_MORE - 1), value >> _DIGIT
            last = value == (-1 if group & (_MORE >> 1) else 0)
            out.append(chr(_FIRST + group + (0 if last else _MORE)))
            if last:
                break
    return "".join(out)


def rle_counts(text: str) -> list[int]:
    """Inverse of `rle_text`.

    Raises:
        ValueError: If the text has other characters than the code, or ends within a number.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        group = ord(character) - _FIRST
        if not 0 <= group < 2 * _MORE or shift > _DIGIT * _LONGEST:
            raise ValueError(f"the code holds {character!r}, or a number that is too long")
        value |= (group & (_MORE - 1)) << shift
        shift += _DIGIT
        if group & _MORE:
            continue
        if group & (_MORE >> 1):
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError("the code ends within a number")
    return counts


def code(part: tuple[int, int, Map], height: int, width: int) -> dict[str, Any]:
    """COCO RLE of the mask of one object in a full image: {"size": [height, width], "counts": text}.

    Args:
        part: x and y of the top left pixel of the rectangle that the object lies in, and (h, w) uint8, not 0
            where it is; what lies beyond the image is cut off.
        height: Of the image.
        width: Of the image.
    """
    x, y, crop = part
    crop = crop[: max(0, height - y), : max(0, width - x)]
    strip = np.zeros((height, crop.shape[1]), dtype=np.uint8)
    strip[y : y + crop.shape[0]] = crop
    counts = rle(strip)
    # Columns before and after it hold nothing: they make the first and the last run longer.
    counts[0] += height * min(x, width)
    after = height * (width - min(x, width) - crop.shape[1])
    if len(counts) % 2:
        counts[-1] += after
    elif after:
        counts.append(after)
    return {"size": [height, width], "counts": rle_text(counts)}
