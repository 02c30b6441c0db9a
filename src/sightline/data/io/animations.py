"""Animations that Pillow decodes (GIF, WebP, APNG): frames by number and their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .file_types import Source
from .images import of_pillow, opened

FRAME_SECONDS = 0.1
"""How long a frame is shown where a file says nothing, or 0: what browsers do."""


def animation_seconds(source: Source) -> np.ndarray:
    """(T,) when each frame of an animation is shown, in seconds from the first.

    Raises:
        UnreadableImage: If the file cannot be decoded.
    """
    with opened(source) as (image, _, _):
        lengths = []
        for page in range(int(getattr(image, "n_frames", 1))):
            image.seek(page)
            image.load()
            lengths.append(float(image.info.get("duration") or 0) / 1000 or FRAME_SECONDS)
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]])


def each_animation_frame(source: Source, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Some frames of an animation, each with its number, in rising order; (H, W, 3 or 1) uint8.

    Raises:
        UnreadableImage: If the file cannot be decoded.
    """
    with opened(source) as (image, _, _):
        for number in sorted(numbers):
            image.seek(number)
            yield number, of_pillow(image)
