"""Volumes: slices of one thing, (D, H, W, C); the model is given (B, C, D, H, W)."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.data.inputs._kind import InputKind, StoredShape
from sightline.data.io.items import item_files
from sightline.data.io.stacks import read_stack, stack_dtype
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.transforms.flips import flips
from sightline.data.transforms.steps import Step
from sightline.ops.resize_shape import ResizeMode


class VolumeInput(InputKind):
    """A volume, (D, H, W, C): an array of NumPy, or a TIFF whose pages are the slices."""

    name: ClassVar[str] = "volume"
    item: ClassVar[str] = "volume"
    limits_side: ClassVar[bool] = False
    fits: ClassVar[tuple[str, ...]] = ("stretch",)

    def pixels(self, pixels: Pixels) -> Pixels:
        """One file a volume."""
        return item_files(pixels, read_stack, self.name, stack_dtype)

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """A cube of the size that is asked for; else as stored."""
        del frames
        sides = (size,) * 3 if size is not None else (stored.depth, stored.height, stored.width)
        shape = tuple(math.ceil(side / stride) * stride for side in sides)
        return InputSpec(shape, stored.channels, self.name, dtype=stored.dtype)

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(D, H, W, C)."""
        return (*spec.spatial_shape, spec.channels)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """Slices brought to size with antialias, then the depth linearly between slices."""
        depth, height, width = spec.spatial_shape
        sized = np.stack([resize_to_input(plane, (height, width), resize, spec.channels) for plane in item])
        return sized if len(sized) == depth else _deepened(sized, depth)

    def planes(self, item: np.ndarray) -> np.ndarray:
        """The slices."""
        return item

    def stored_size(self, item: np.ndarray) -> tuple[int, ...]:
        """Depth, height and width."""
        return tuple(item.shape[:3])

    def augment(self, strength: str, flip: bool, spec: InputSpec) -> Step | None:
        """Mirrored along each axis where mirroring is allowed."""
        return flips((0, 1, 2), len(spec.spatial_shape)) if flip and strength != "none" else None


def _deepened(volume: np.ndarray, depth: int) -> np.ndarray:
    """(D, H, W, C) with another D."""
    tensor = torch.from_numpy(volume).permute(3, 0, 1, 2)[None].float()
    sized = F.interpolate(tensor, (depth, *volume.shape[1:3]), mode="trilinear", align_corners=False)
    array = sized[0].permute(1, 2, 3, 0).numpy()
    return np.rint(array).astype(np.uint8) if volume.dtype == np.uint8 else np.ascontiguousarray(array)


INPUT = VolumeInput()
