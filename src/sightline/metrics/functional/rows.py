"""Rows of bytes, one for each image: statistics of any length that are joined, selected and compared."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def pack(records: Array, image: Array, images: int) -> Array:
    """Pack (R,) records into (N,) byte strings, one for each image.

    Args:
        records: (R,) of a structured type.
        image: (R,) image of each, rising.
        images: N.
    """
    ends = (np.cumsum(np.bincount(image, minlength=images)) * records.itemsize).tolist()
    whole, rows = records.tobytes(), np.empty(images, dtype=object)
    rows[:] = [whole[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return rows


def unpack(rows: Array, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Inverse of `pack`: the (R,) records of all images, and the (R,) image of each."""
    parts = rows.tolist()
    lengths = np.fromiter(map(len, parts), np.int64, len(parts)) // kind.itemsize
    return np.frombuffer(b"".join(parts), kind), np.repeat(np.arange(len(parts)), lengths)
