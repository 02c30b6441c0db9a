"""TIFF files without Pillow's size limit, and access to single blocks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin

_WIDTH, _LENGTH, _COMPRESSION, _PLANAR = 256, 257, 259, 284
_OFFSETS, _ROWS, _COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
# How pixels are stored: bits, compression, colours, fill order, samples, planes, predictor, palette, what
# further samples are, their format, tables of JPEG, and the three of YCbCr.
_KEPT = (258, _COMPRESSION, 262, 266, 277, _PLANAR, 317, 320, 338, 339, 347, 529, 530, 531, 532)
_PLAIN, _OLD_JPEG = 1, 6
_BAND = 2**20
"""Bytes of a band that uncompressed rows are read in."""


Directory = TiffImagePlugin.ImageFileDirectory_v2
"""The table of tags of one page."""


class Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose size is already validated: Pillow would apply its global limit again."""

    def load_prepare(self) -> None:
        """Make room for the pixels."""
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)  # type: ignore[attr-defined]
        ImageFile.ImageFile.load_prepare(self)


@dataclass(frozen=True)
class Blocks:
    """Locations of the blocks (strips or tiles) of a TIFF, row by row.

    Attributes:
        size: Height and width of the image.
        block: Height and width of a block; the last of the strips may be lower.
        tiled: Whether they are tiles, which are all of one size, beyond the edge of the image too.
        offsets: First byte of each block in the file.
        counts: Bytes of each block.
        prefix: Byte order: II or MM.
        tags: How their pixels are stored: value and type of each tag.
    """

    size: tuple[int, int]
    block: tuple[int, int]
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    prefix: bytes
    tags: dict[int, tuple[Any, int]]

    @property
    def across(self) -> int:
        """Blocks side by side."""
        return -(-self.size[1] // self.block[1])

    def alone(self, i: int, data: bytes) -> bytes:
        """Block i, whose bytes are given, as a TIFF file of its own that decodes to the same pixels."""
        height, width = self.block
        if not self.tiled:
            height = min(height, self.size[0] - i * height)
        table = TiffImagePlugin.ImageFileDirectory_v2(prefix=self.prefix)
        for tag, (value, kind) in self.tags.items():
            table.tagtype[tag] = kind
            table[tag] = value
        layout = {_WIDTH: width, _LENGTH: height, _ROWS: height, _OFFSETS: 0, _COUNTS: len(data)}
        for tag, number in layout.items():
            table.tagtype[tag] = 4  # 32 bits
            table[tag] = number
        file = io.BytesIO()
        table.save(file)  # an offset of 0 becomes the end of the table
        return file.getvalue() + data


def blocks(image: Any) -> Blocks | None:
    """The blocks of a page of a TIFF that Pillow has opened.

    None where they cannot be decoded by themselves: planes apart, JPEG of the first kind, the whole image
    in one compressed block, a layout that does not add up.
    """
    tags = image.tag_v2
    width, height = int(tags[_WIDTH]), int(tags[_LENGTH])
    compression = tags.get(_COMPRESSION, _PLAIN)
    if tags.get(_PLANAR, 1) != 1 or compression == _OLD_JPEG:
        return None
    tiled = _TILE_OFFSETS in tags
    if tiled:
        block = int(tags[_TILE_LENGTH]), int(tags[_TILE_WIDTH])
    else:
        block = min(int(tags.get(_ROWS, height)), height), width
    names = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_OFFSETS, _COUNTS)
    offsets, counts = (tuple(map(int, tags.get(name, ()))) for name in names)
    if not tiled and compression == _PLAIN:
        block, offsets, counts = _banded(image, block, offsets, counts)
    down, across = -(-height // block[0]), -(-width // block[1])
    if len(offsets) != down * across or len(counts) != len(offsets) or len(offsets) < 2:
        return None
    copied_tags = {tag: (tags[tag], tags.tagtype[tag]) for tag in _KEPT if tag in tags}
    return Blocks((height, width), block, tiled, offsets, counts, tags.prefix, copied_tags)


def _banded(
    image: Any, block: tuple[int, int], offsets: tuple[int, ...], counts: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, ...], tuple[int, ...]]:
    """Merge adjacent uncompressed strips to bands of about a megabyte."""
    tags, (rows, width) = image.tag_v2, block
    height = int(tags[_LENGTH])
    line = -(-width * sum(tags.get(258, (1,))) // 8)
    follow = all(a + n == b for a, n, b in zip(offsets, counts, offsets[1:], strict=False))
    if not offsets or not follow or sum(counts) != line * height or len(counts) != len(offsets):
        return block, offsets, counts
    rows = max(1, _BAND // line)
    starts = range(0, height, rows)
    return (
        (rows, width),
        tuple(offsets[0] + y * line for y in starts),
        tuple(line * min(rows, height - y) for y in starts),
    )
