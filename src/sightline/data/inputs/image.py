"""Images: one view of (H, W, C) each. Reading and sizing are those of `data/io` and `data/loading`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.data.inputs._kind import InputKind, StoredShape
from sightline.data.io.bands import band_facts, is_banded, read_bands
from sightline.data.io.images import max_pixels
from sightline.data.io.items import item_files
from sightline.data.io.pixels import Files
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.transforms.standard import standard
from sightline.data.transforms.steps import Step
from sightline.errors import UsageError
from sightline.ops.resize_shape import ResizeMode


class ImageInput(InputKind):
    """An image, (H, W, C)."""

    name: ClassVar[str] = "image"
    item: ClassVar[str] = "image"
    idle: ClassVar[tuple[str, ...]] = ()

    def pixels(self, pixels: Pixels) -> Pixels:
        """As the format gives them; files of many bands, or of NumPy, with all their numbers."""
        if not isinstance(pixels, Files) or not len(pixels) or not is_banded(pixels.path(0)):
            return pixels
        return item_files(pixels, read_image, self.name, band_dtype)

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """A square of the size that is asked for; else as stored."""
        del frames
        return InputSpec(stored.sides(size, stride), stored.channels, dtype=stored.dtype)

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(H, W, C)."""
        return (*spec.spatial_shape, spec.channels)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """See `preprocess.resize_to_input`."""
        height, width = spec.spatial_shape
        return resize_to_input(item, (height, width), resize, spec.channels)

    def planes(self, item: np.ndarray) -> np.ndarray:
        """The image itself."""
        return item[None]

    def augment(self, strength: str, flip: bool, spec: InputSpec) -> Step | None:
        """See `transforms.standard`."""
        height, width = spec.spatial_shape
        return standard(strength, flip=flip, size=(height, width), gray=spec.channels == 1)

    def of_array(self, value: Any) -> Sequence[np.ndarray]:
        """An array (H, W, C) or several (N, H, W, C) of many bands; others are read by `inference.arrays`."""
        array = np.asarray(value)
        if array.ndim not in (3, 4) or array.dtype not in (np.uint8, np.uint16, np.float32):
            raise UsageError(
                "An image of many bands in memory is an array (H, W, C), or several (N, H, W, C), of uint8, "
                f"uint16 or float32. Received {array.shape} of {array.dtype}."
            )
        return [array] if array.ndim == 3 else list(array)


def read_image(path: Path) -> np.ndarray:
    """(H, W, C) of a file of many bands, with its numbers as stored.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    return read_bands(path, max_pixels())


def band_dtype(path: Path) -> str:
    """Type of the numbers of a file.

    Raises:
        UnreadableImage: If its header cannot be read.
    """
    facts = band_facts(path)
    return "uint8" if facts is None else facts.dtype


INPUT = ImageInput()
