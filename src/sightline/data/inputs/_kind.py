"""What every kind of input says: how an item is read, brought to size, batched, changed and looked at."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Pixels
from sightline.core.inputs import Dtype, InputSpec
from sightline.core.sample import IMAGE
from sightline.data.transforms.steps import Step
from sightline.errors import UsageError
from sightline.ops.resize_shape import ResizeMode

COVER_PLANES = 4
"""Planes of a clip or volume that stand for it where one image is wanted: two by two."""


WITHOUT_SIZE = ("size", "resize", "tile_size")
"""Settings that mean nothing for items that are not brought to a size."""


@dataclass(frozen=True)
class StoredShape:
    """What the items of a data set are like, as most of them are.

    Attributes:
        depth: Frames of a clip, slices of a volume; 1 for an image.
        height: Pixels.
        width: Pixels.
        channels: Colors or bands.
        dtype: What they become on their way to the model.
    """

    depth: int
    height: int
    width: int
    channels: int
    dtype: Dtype = "uint8"

    def sides(self, size: int | None, stride: int) -> tuple[int, int]:
        """Height and width of a model's input: those of a square of `size` if one is asked for, else as
        stored; multiples of `stride`."""
        sides = (size, size) if size is not None else (self.height, self.width)
        height, width = (math.ceil(side / stride) * stride for side in sides)
        return height, width


class InputKind(ABC):
    """One kind. An item is an array with the channels last; so are its views.

    Attributes:
        name: Its file's name, and what `TaskCard.input` says.
        inputs: Names of the tensors that a batch holds.
        item: What one of them is called, for people: "clip".
        fits: How an item may be brought to size.
        shown_planes: Planes of an item that people are shown.
        shown_as: How, in words.
        orders: Other orders of the frames of an input (B, C, T, ...), by name: what the model says of them
            tells whether the order matters to it.
        varies: Whether views differ in length along their first axis; `view_shape` is then the least.
        has_pixels: Whether an item is pixels, which checks of brightness, size and likeness can judge.
        idle: Settings of the recipe that mean nothing for such items, and are refused.
        limits_side: Whether large items are brought to a smaller size unless one is asked for.
    """

    name: ClassVar[str]
    item: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = (IMAGE,)
    varies: ClassVar[bool] = False
    has_pixels: ClassVar[bool] = True
    idle: ClassVar[tuple[str, ...]] = ("tile_size",)
    limits_side: ClassVar[bool] = True
    fits: ClassVar[tuple[str, ...]] = ("stretch", "crop", "letterbox")
    shown_planes: ClassVar[int] = COVER_PLANES
    shown_as: ClassVar[str] = "by four of their planes, two by two"
    orders: ClassVar[Mapping[str, Callable[[Tensor], Tensor]]] = {}

    @abstractmethod
    def pixels(self, pixels: Pixels) -> Pixels:
        """What a format has found, as a source of items of this kind.

        Raises:
            DataError: If it cannot be read as such.
        """

    @abstractmethod
    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """What a model is given of data like these.

        Args:
            stored: What the items are like.
            size: Side that was asked for, or None: as stored.
            frames: Frames that the task asks for, or None: as stored.
            stride: What sides are multiples of.
        """

    @abstractmethod
    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """Shape of one view, the channels last."""

    @abstractmethod
    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """An item as the model sees it: of `view_shape`, and of the type of the spec."""

    def stack(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Views as one array (B, ...); views that differ in length are filled up at the end."""
        return np.stack(views)

    def tensors(self, views: np.ndarray) -> dict[str, Tensor]:
        """(B, *view_shape) as what the model takes: (B, C, *rest) by name, sharing memory."""
        return {self.inputs[0]: torch.from_numpy(views).movedim(-1, 1)}

    @abstractmethod
    def planes(self, item: np.ndarray) -> np.ndarray:
        """(F, H, W, C): the images that an item is made of; what statistics and thumbnails are taken from."""

    def as_image(self, item: np.ndarray) -> np.ndarray:
        """(H, W, C) that people are shown of an item."""
        return cover(self.planes(item))

    def stored_size(self, item: np.ndarray) -> tuple[int, ...]:
        """Size of a stored item along the axes of `InputSpec.spatial_shape`."""
        planes = self.planes(item)
        return planes.shape[1], planes.shape[2]

    def is_item(self, path: Path) -> bool:
        """Whether a file of a folder is one item; False of those that belong to another's."""
        del path
        return True

    def items(self, files: Sequence[Path]) -> list[Path]:
        """The items that the files found in a folder are."""
        return [file for file in files if self.is_item(file)]

    def named(self, text: str) -> Sequence[tuple[str, np.ndarray]] | None:
        """Names and items that `predict` is given by a word, or by a file or folder that holds several; None
        where files are items. An empty name becomes the number of the item.
        """
        del text
        return None

    def augment(self, strength: str, flip: bool, spec: InputSpec) -> Step | None:
        """What changes training batches: none unless the kind says otherwise."""
        del strength, flip, spec
        return None

    def of_array(self, value: Any) -> Sequence[np.ndarray]:
        """Items in memory that `predict` is given.

        Raises:
            UsageError: If they are none of this kind.
        """
        array = np.asarray(value)
        if array.ndim != 4 or array.dtype not in (np.uint8, np.uint16, np.float32):
            raise UsageError(
                f"A {self.item} in memory is an array of four axes, the channels last, of uint8, uint16 or "
                f"float32. Received {array.shape} of {array.dtype}."
            )
        return [array]


def cover(planes: np.ndarray) -> np.ndarray:
    """(H, W, C) that stands for (F, H, W, C): the plane itself, or four spread evenly, two by two, so that
    another order of planes is another image."""
    if len(planes) == 1:
        return np.asarray(planes[0])
    where = np.linspace(0, len(planes) - 1, COVER_PLANES).round().astype(int)
    a, b, c, d = planes[where]
    return np.concatenate([np.concatenate([a, b], 1), np.concatenate([c, d], 1)], 0)


def displayed(image: np.ndarray) -> np.ndarray:
    """(H, W, C) of any bands and type as (H, W, 3 or 1) uint8: the first three bands, or the first; values
    that are not of 8 bits are stretched, so that the percentiles 2 and 98 of each band become 0 and 255."""
    bands = image[..., :3] if image.shape[2] >= 3 else image[..., :1]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(bands)
    low, high = np.percentile(bands, (2, 98), axis=(0, 1))
    stretched: np.ndarray = np.rint((bands - low) * (255 / np.maximum(high - low, 1e-12))).clip(0, 255)
    return stretched.astype(np.uint8)
