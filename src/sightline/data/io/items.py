"""Files of which each is one item that Pillow does not decode alone: clips, volumes, images of many bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sightline.core.dataset import Pixels
from sightline.core.inputs import Dtype
from sightline.data.io.levels import Span
from sightline.data.io.pixels import Arrays, Files
from sightline.errors import DataError, UnreadableImage

FULL: dict[str, Span] = {"uint8": (0, 255), "uint16": (0, 65535)}
"""Lowest and highest value of a type; of fractions 0 and 1, until the data have told theirs."""

Read = Callable[[Path], np.ndarray]


class ItemFiles:
    """One item a file, decoded when it is read.

    Args:
        files: Where they lie.
        decode: Gives an item of a file, the channels last: uint8, uint16 or float32.
        input: The kind of input that an item is.
        stored: Type of the numbers of the first file that can be read. Items of uint8 stay as they are; all
            others become float32, scaled so that the span is [0, 1]. No value is cut off.
        span: Lowest and highest value; None: those of the stored type, and 0 and 1 of fractions.
    """

    def __init__(
        self, files: Files, decode: Read, input: str, stored: str = "uint8", span: Span | None = None
    ) -> None:
        self._files, self._decode = files, decode
        self.input, self.stored, self.span = input, stored, span

    def __len__(self) -> int:
        return len(self._files)

    @property
    def dtype(self) -> Dtype:
        """Type of what is read: uint8, or float32 where values of more than 8 bits are kept as they are."""
        return "uint8" if self.stored == "uint8" and self.span is None else "float32"

    @property
    def stored_dtype(self) -> str:
        """Type that every item is decoded to: uint8, uint16, or float32 of all others."""
        return self.stored if self.stored in FULL else "float32"

    @property
    def scale(self) -> Span:
        """The stored values that become 0 and 1."""
        return self.span or FULL.get(self.stored, (0.0, 1.0))

    def path(self, i: int) -> Path:
        """File of item i."""
        return self._files.path(i)

    def place(self, i: int) -> tuple[Path, int]:
        """File of item i, and page 0."""
        return self._files.place(i)

    def read_stored(self, i: int) -> np.ndarray:
        """Item i with its numbers as stored.

        Raises:
            UnreadableImage: If it cannot be decoded.
        """
        return self._decode(self._files.path(i))

    def scaled(self, item: np.ndarray) -> np.ndarray:
        """An item as stored, as it is read."""
        return item if self.dtype == "uint8" and item.dtype == np.uint8 else scaled_item(item, self.scale)

    def read(self, i: int) -> np.ndarray:
        """Item i, the channels last, of `dtype`.

        Raises:
            UnreadableImage: If it cannot be decoded.
        """
        return self.scaled(self.read_stored(i))

    def spanned(self, span: Span | None) -> ItemFiles:
        """The same items, scaled by a span of values."""
        return ItemFiles(self._files, self._decode, self.input, self.stored, span)

    def subset(self, indices: np.ndarray) -> ItemFiles:
        """The same items, other order or fewer."""
        return ItemFiles(self._files.subset(indices), self._decode, self.input, self.stored, self.span)

    def digest(self, i: int) -> str:
        """Digest of the bytes of file i."""
        return self._files.digest(i)


def scaled_item(item: np.ndarray, span: Span | None) -> np.ndarray:
    """float32 of which a span of values (None: that of the type) is [0, 1]; what lies beyond lies beyond."""
    low, high = map(np.float32, span or FULL.get(item.dtype.name, (0.0, 1.0)))
    return (item.astype(np.float32) - low) / max(high - low, np.float32(1e-12))


def item_files(pixels: Pixels, decode: Read, input: str, stored: Callable[[Path], str]) -> Pixels:
    """What a format has found, as files of one item each; arrays in memory that are such items stay.

    Args:
        pixels: What the format has found.
        decode: As for `ItemFiles`.
        input: Kind of input.
        stored: Tells the type of the numbers of a file; raises UnreadableImage.

    Raises:
        DataError: If it is neither files nor such arrays.
    """
    if getattr(pixels, "input", None) == input or isinstance(pixels, ItemFiles):
        return pixels
    if not isinstance(pixels, Files):
        what = "images in memory" if isinstance(pixels, Arrays) else "pages of files, or tiles"
        raise DataError(
            f"The task takes a {input} for each item; the data are {what}. Give one file a {input}."
        )
    return ItemFiles(pixels, decode, input, first_dtype(pixels, stored), pixels.span)


def first_dtype(files: Files, stored: Callable[[Path], str]) -> str:
    """Type of the numbers of the first file that can be read; `stored` tells that of a file."""
    for i in range(len(files)):
        try:
            return stored(files.path(i))
        except UnreadableImage:  # reading it says why
            continue
    return "uint8"


def paths_of(pixels: Pixels) -> Sequence[str] | None:
    """The file of each item, where each is one; None for arrays and the like."""
    if not isinstance(pixels, Files | ItemFiles):
        return None
    return [str(pixels.path(i)) for i in range(len(pixels))]
