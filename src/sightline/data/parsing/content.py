"""Image bytes for writing a data set."""

from __future__ import annotations

from sightline.core.dataset import Pixels
from sightline.data.io.encode import encode_png
from sightline.data.io.pixels import Files


def content(pixels: Pixels, i: int) -> tuple[bytes, str]:
    """Bytes and file ending of image i: the file as it is, or a PNG of an array."""
    if isinstance(pixels, Files):
        path = pixels.path(i)
        return path.read_bytes(), path.suffix
    return encode_png(pixels.read(i)), ".png"
