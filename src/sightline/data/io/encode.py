"""Image encoding: images and maps to bytes of a file (PNG, JPEG)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image


def encode_png(array: np.ndarray, palette: Sequence[tuple[int, int, int]] = ()) -> bytes:
    """Encode a (H, W, 3 or 1) uint8 image, or an (H, W) uint8 or uint16 map, as PNG, without loss. With a
    palette, the values of a uint8 map do not change, and viewers show 0, 1, ... in these colors.
    """
    return _encoded(array, "PNG", palette, optimize=False)


def encode_jpeg(array: np.ndarray, quality: int = 85) -> bytes:
    """Encode a (H, W, 3 or 1) uint8 image as JPEG with a quality of 1 to 95."""
    return _encoded(array, "JPEG", quality=quality)


def _encoded(
    array: np.ndarray, kind: str, palette: Sequence[tuple[int, int, int]] = (), **settings: Any
) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    if palette:
        image.putpalette([value for color in palette for value in color])
    image.save(out, kind, **settings)
    return out.getvalue()
