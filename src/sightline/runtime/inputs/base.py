"""What every kind of input says: how an item is read and brought to size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import UnreadableImage

SIDE = 2**18
"""Longest side of an image: what is longer, yet within the limit on pixels, would take minutes."""

ItemSource = Path | bytes | NDArray[np.uint8]
"""An item: a file, the bytes of one, or pixels."""


class Prepared(NamedTuple):
    """An item as the model's input.

    Attributes:
        pixels: (C, H, W) uint8; of a clip (C, T, H, W).
        stored: Height and width of the image, upright.
        note: What a user should know of it, or "".
    """

    pixels: NDArray[np.uint8]
    stored: tuple[int, int]
    note: str = ""


class InputReader(ABC):
    """One kind.

    Attributes:
        name: What one item is called, for people: "image".
        whole: Whether every file is one item, also a film or a TIFF of several pages.
        axes: Names of the axes of an input, without the batch.
    """

    name: ClassVar[str]
    whole: ClassVar[bool] = True
    axes: ClassVar[tuple[str, ...]]

    def rules(self) -> Mapping[str, Callable[[Any], bool]]:
        """Settings that this kind has of its own, and what each must be."""
        return {}

    def shape(self, settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Sizes of the `axes` of what a model takes, (C, H, W) say."""
        height, width = settings["size"]
        sizes = {**settings, "height": height, "width": width}
        return tuple(int(sizes[axis]) for axis in self.axes)

    def items(self, files: Sequence[Path]) -> list[Path]:
        """The items that the files found in a folder are."""
        return list(files)

    @abstractmethod
    def prepare(self, source: ItemSource, page: int, settings: Mapping[str, Any]) -> Prepared:
        """An item as a model of these settings takes it.

        Args:
            source: A file, the bytes of one, or pixels, uint8, C being 3 (RGB) or 1.
            page: Which image of a TIFF of several, from 0.
            settings: Of the model.

        Raises:
            UnreadableImage: If it cannot be decoded, or a side is longer than `SIDE`.
            UsageError: If an array has another shape or type.
        """

    @abstractmethod
    def shown(self, source: Path | bytes) -> NDArray[np.uint8]:
        """(H, W, 3 or 1) that people are shown of an item.

        Raises:
            UnreadableImage: If it cannot be decoded.
        """


def check_sides(stored: Sequence[int], source: object = "the image") -> None:
    """Pass if no side is longer than `SIDE`.

    Raises:
        UnreadableImage: If one is.
    """
    if max(stored) > SIDE:
        what = f"is {stored[1]} x {stored[0]} pixels; its sides may have {SIDE:,}. Cut it in pieces"
        raise UnreadableImage("the image" if isinstance(source, bytes) else source, "bomb", what)
