"""Files that hold several images in an order: frames of a clip, slices of a volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import decode, max_pixels
from sightline.data.io.numpy_files import array_facts, is_array_file, read_array_stack
from sightline.data.io.pages import frame_pages
from sightline.data.io.video import Video
from sightline.errors import DataError, UnreadableImage


def read_stack(path: Path) -> np.ndarray:
    """(F, H, W, C) of a file: an array (F, H, W) or (F, H, W, C) of NumPy, an animated GIF or another file
    of several pages, or a video.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    if _is_array(path):
        return read_array_stack(path, max_pixels())
    if path.suffix.lower() in ALL_EXTENSIONS:
        return _stacked(path, [decode(path, page=page) for page in frame_pages(path)])
    try:
        with Video(path) as film:
            return _stacked(path, [frame.pixels for frame in film])
    except DataError as error:
        raise UnreadableImage(path, "unreadable", str(error)) from error


def stack_dtype(path: Path) -> str:
    """Type of the numbers of a file.

    Raises:
        UnreadableImage: If it is an array whose header cannot be read.
    """
    return array_facts(path).dtype.name if _is_array(path) else "uint8"


def _is_array(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_array_file(file.read(8))
    except OSError:
        return False


def _stacked(path: Path, images: list[np.ndarray]) -> np.ndarray:
    if not images or len({image.shape for image in images}) > 1:
        shapes = ", ".join(str(s) for s in sorted({image.shape for image in images})) or "none"
        raise UnreadableImage(path, "unsupported", f"holds images of different shapes ({shapes})")
    return np.stack(images)
