"""Clips: T frames in their order, (T, H, W, C); the model is given (B, C, T, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.data.inputs._kind import InputKind, StoredShape
from sightline.data.io.clip_frames import clip_strip, clip_view, clips_of
from sightline.data.io.clips import ClipFiles
from sightline.data.io.items import first_dtype, item_files
from sightline.data.io.pixels import Files
from sightline.data.io.stacks import read_stack, stack_dtype
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.transforms.standard import standard
from sightline.data.transforms.steps import Step
from sightline.ops.resize_shape import ResizeMode

MAX_FRAMES = 16
"""Frames that a model is given where the task asks for no other number."""


class ClipInput(InputKind):
    """A clip, (T, H, W, C): a film, an animation, a folder of frames, a TIFF of several pages, or an array of
    NumPy."""

    name: ClassVar[str] = "clip"
    item: ClassVar[str] = "clip"
    shown_planes: ClassVar[int] = 6
    shown_as: ClassVar[str] = "as strips of six frames"
    orders: ClassVar[Mapping[str, Callable[[Tensor], Tensor]]] = {
        "reversed": lambda clips: clips.flip(2),
        "shuffled": lambda clips: clips[:, :, _shuffled(clips.shape[2])],
    }

    def pixels(self, pixels: Pixels) -> Pixels:
        """One film, animation, array or folder of frames a clip."""
        if isinstance(pixels, Files):
            return ClipFiles(pixels, None, first_dtype(pixels, stack_dtype), pixels.span)
        return item_files(pixels, read_stack, self.name, stack_dtype)

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """Frames as stored, up to `MAX_FRAMES`."""
        count = frames or min(stored.depth, MAX_FRAMES)
        return InputSpec(stored.sides(size, stride), stored.channels, self.name, count, dtype=stored.dtype)

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(T, H, W, C)."""
        return (spec.frames or 1, *spec.spatial_shape, spec.channels)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """T frames, evenly spread over the clip, each brought to size as an image is."""
        height, width = spec.spatial_shape
        return clip_view(
            item, spec.frames or 1, lambda f: resize_to_input(f, (height, width), resize, spec.channels)
        )

    def items(self, files: Sequence[Path]) -> list[Path]:
        """Films, animations and arrays, and the folders that still images lie in."""
        return clips_of(files)

    def planes(self, item: np.ndarray) -> np.ndarray:
        """The frames."""
        return item

    def as_image(self, item: np.ndarray) -> np.ndarray:
        """Frames that are evenly spread over the clip, side by side."""
        return clip_strip(item, self.shown_planes)

    def augment(self, strength: str, flip: bool, spec: InputSpec) -> Step | None:
        """The standard augmentation of images, the same for all frames of a clip."""
        height, width = spec.spatial_shape
        step = standard(strength, flip=flip, size=(height, width), gray=False)
        if step is None:
            return None

        def on_all_frames(batch: Batch, rng: torch.Generator) -> Batch:
            shape = batch.images.shape
            changed = step(batch.with_images(batch.images.flatten(1, 2)), rng)
            return changed.with_images(changed.images.reshape(shape))

        return on_all_frames


def _shuffled(frames: int) -> Tensor:
    """(T,) the same random order of frames each time."""
    return torch.randperm(frames, generator=torch.Generator().manual_seed(0))


INPUT = ClipInput()
