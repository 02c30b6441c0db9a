"""Images of 8 bits, grey or in colors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...data.io.images import decode, size_of
from ...errors import UsageError
from ..resize import resize_to_input
from .base import InputReader, ItemSource, Prepared, check_sides


class ImageReader(InputReader):
    """An image: a file, a page of a TIFF, the frame of a film, or (H, W, C)."""

    name: ClassVar[str] = "image"
    whole: ClassVar[bool] = False
    axes: ClassVar[tuple[str, ...]] = ("channels", "height", "width")

    def prepare(self, source: ItemSource, page: int, settings: Mapping[str, Any]) -> Prepared:
        """A whole image; see `InputReader.prepare`."""
        size, mode, channels = (settings[name] for name in ("size", "resize", "channels"))
        span = settings["pixel_range"]
        if isinstance(source, np.ndarray):
            _check_pixels(source)
            image, stored = source, source.shape[:2]
            check_sides(stored)
        elif page == 0:
            stored = size_of(source)
            check_sides(stored, source)
            # A JPEG perhaps at a fraction of its size.
            image = decode(source, at_least=size, resize=mode, span=span)
        else:
            image = decode(source, page=page, span=span)
            stored = image.shape[:2]
            check_sides(stored, source)
        resized = resize_to_input(image, size, mode, channels)
        return Prepared(np.ascontiguousarray(resized.transpose(2, 0, 1)), (int(stored[0]), int(stored[1])))

    def shown(self, source: Path | bytes) -> NDArray[np.uint8]:
        """The image."""
        return decode(source)


def _check_pixels(pixels: NDArray[Any]) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
        raise UsageError(
            f"An image as an array is (H, W, 3 or 1) uint8. Received {pixels.shape} {pixels.dtype}."
        )


INPUT = ImageReader()
