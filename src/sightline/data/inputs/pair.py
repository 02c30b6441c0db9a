"""Pairs: two images of one thing, (2, H, W, C); the model is given "left" and "right", (B, C, H, W) each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.data.inputs._kind import InputKind, StoredShape
from sightline.data.io.images import decode
from sightline.data.io.items import item_files
from sightline.data.io.numpy_files import is_array_file
from sightline.data.io.stacks import read_stack, stack_dtype
from sightline.data.loading.preprocess import resize_to_input
from sightline.errors import UnreadableImage, UsageError
from sightline.ops.resize_shape import ResizeMode

WORDS = (
    ("left", "right"),
    ("a", "b"),
    ("before", "after"),
    ("first", "second"),
    ("im1", "im2"),
    ("t1", "t2"),
)
"""What the two files of a pair are called: a folder (left/1.png, right/1.png), or the end of the name
(1_left.png, 1_right.png)."""


class PairInput(InputKind):
    """Two images of one size: files whose names say which is which, or an array (2, H, W, C) of NumPy."""

    name: ClassVar[str] = "pair"
    item: ClassVar[str] = "pair"
    inputs: ClassVar[tuple[str, ...]] = ("left", "right")

    def pixels(self, pixels: Pixels) -> Pixels:
        """The first file of each pair, or one file of NumPy a pair."""
        return item_files(pixels, read_pair, self.name, stack_dtype)

    def is_item(self, path: Path) -> bool:
        """Whether a file is no second one of a pair."""
        return not any(other.is_file() for other in _others(path, 1))

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """As of an image."""
        del frames
        return InputSpec(
            stored.sides(size, stride), stored.channels, self.name, names=self.inputs, dtype=stored.dtype
        )

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(2, H, W, C)."""
        return (2, *spec.spatial_shape, spec.channels)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """Both brought to size alike."""
        height, width = spec.spatial_shape
        return np.stack([resize_to_input(image, (height, width), resize, spec.channels) for image in item])

    def tensors(self, views: np.ndarray) -> dict[str, Tensor]:
        """One tensor for each of the two."""
        images = torch.from_numpy(views).movedim(-1, 2)
        return {name: images[:, k] for k, name in enumerate(self.inputs)}

    def planes(self, item: np.ndarray) -> np.ndarray:
        """The two images."""
        return item

    def of_array(self, value: Any) -> list[np.ndarray]:
        """An array (2, H, W, C)."""
        (array,) = super().of_array(value)
        if len(array) != 2:
            raise UsageError(f"A pair in memory is an array (2, H, W, C). Received {array.shape}.")
        return [array]


def read_pair(path: Path) -> np.ndarray:
    """(2, H, W, C) of the first file of a pair and the one beside it, or of an array of NumPy.

    Raises:
        UnreadableImage: If one of them cannot be decoded, or there is no other, or it has another size.
    """
    with path.open("rb") as file:
        alone = is_array_file(file.read(8))
    if alone:
        pair = read_stack(path)
        if len(pair) != 2:
            raise UnreadableImage(
                path, "unsupported", f"holds {len(pair)} images. Expected the two of a pair"
            )
        return pair
    other = next((p for p in _others(path, 0) if p.is_file()), None)
    if other is None:
        text = "has no other of its pair beside it. Expected names such as left/1.png and right/1.png, or "
        raise UnreadableImage(path, "unsupported", text + "1_left.png and 1_right.png")
    images = [decode(path), decode(other)]
    if images[0].shape != images[1].shape:
        text = f"is {images[0].shape}, and the other of its pair, {other}, is {images[1].shape}"
        raise UnreadableImage(path, "unsupported", text)
    return np.stack(images)


def _others(path: Path, k: int) -> Iterator[Path]:
    """Where the other of a pair may lie, of a file that is number k (0 or 1) of it."""
    for words in WORDS:
        mine, other = words[k], words[1 - k]
        stem = re.fullmatch(rf"(.*[_.-]){mine}", path.stem, re.IGNORECASE)
        if stem:
            yield path.with_name(f"{stem[1]}{_like(path.stem[len(stem[1]) :], other)}{path.suffix}")
        parts = list(path.parts)
        for i in range(len(parts) - 2, -1, -1):
            if parts[i].lower() == mine:
                yield Path(*parts[:i], _like(parts[i], other), *parts[i + 1 :])
                break


def _like(model: str, word: str) -> str:
    """A word in the case of another."""
    return word.upper() if model.isupper() else word.capitalize() if model[:1].isupper() else word


INPUT = PairInput()
