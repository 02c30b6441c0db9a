"""Region reader for large images: of a large TIFF, only the blocks that a region touches are decoded."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from ...errors import UnreadableImage
from .images import decode
from .levels import Span
from .pages import tiff_blocks
from .tiff import Blocks

LARGE = 2**24
"""Pixels from which on an image is read by windows, where it can be."""
READ_BUFFER_BYTES = 2**25
"""Bytes of decoded blocks that are kept for the next windows, and more where one row of windows needs it."""


class Windows(Protocol):
    """Interface of an image whose regions can be read."""

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        ...

    def read(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """(height, width, C) uint8: the region with this top left pixel; it lies inside the image."""
        ...


class Whole:
    """An image that was decoded as a whole.

    Args:
        image: (H, W, C) uint8.
    """

    def __init__(self, image: np.ndarray) -> None:
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        return self._image.shape[0], self._image.shape[1]

    def read(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """See `Windows`."""
        return np.ascontiguousarray(self._image[y : y + height, x : x + width])


class Parts:
    """A TIFF that is decoded block by block, with a cache of recent blocks.

    Args:
        path: The file.
        blocks: Its blocks.
        span: See `images.decode`.
    """

    def __init__(self, path: Path, blocks: Blocks, span: Span | None = None) -> None:
        self._path, self._blocks, self._span = path, blocks, span
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()
        self._bytes = self._most = 0
        self._lock = Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width."""
        return self._blocks.size

    def read(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """See `Windows`.

        Raises:
            UnreadableImage: If one of the blocks is damaged.
        """
        high, wide = self._blocks.block
        out: np.ndarray | None = None
        rows = range(y // high, (y + height - 1) // high + 1)
        # As many as a row of windows touches, however wide the image is: else each would be decoded anew.
        self._most = max(self._most, len(rows) * self._blocks.across)
        for row in rows:
            for column in range(x // wide, (x + width - 1) // wide + 1):
                block = self._block(row * self._blocks.across + column)
                if out is None:
                    out = np.empty((height, width, block.shape[2]), dtype=np.uint8)
                top, left = row * high, column * wide
                y1, y2 = max(y, top), min(y + height, top + block.shape[0])
                x1, x2 = max(x, left), min(x + width, left + block.shape[1])
                out[y1 - y : y2 - y, x1 - x : x2 - x] = block[y1 - top : y2 - top, x1 - left : x2 - left]
        assert out is not None
        return out

    def _block(self, i: int) -> np.ndarray:
        with self._lock:
            if i in self._held:
                self._held.move_to_end(i)
                return self._held[i]
        block = self._decoded(i)
        with self._lock:
            if i not in self._held:
                self._held[i] = block
                self._bytes += block.nbytes
            while self._bytes > READ_BUFFER_BYTES and len(self._held) > self._most:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return block

    def _decoded(self, i: int) -> np.ndarray:
        offset, count = self._blocks.offsets[i], self._blocks.counts[i]
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return decode(self._blocks.alone(i, file.read(count)), span=self._span)
        except UnreadableImage as error:
            what = f"has a damaged block {i} of {len(self._blocks.offsets)} ({error.detail})"
            raise UnreadableImage(self._path, error.reason, what) from error
        except OSError as error:
            what = f"cannot be opened ({error.strerror or error})"
            raise UnreadableImage(self._path, "unreadable", what) from error


def open_regions(path: Path, page: int = 0, span: Span | None = None) -> Parts | None:
    """Region reader for a large TIFF in blocks; None for all other files.

    The limit on pixels (`images.max_pixels`) is then one on a block, not on the image.

    Raises:
        UnreadableImage: If it cannot be opened.
    """
    blocks = tiff_blocks(path, page, LARGE)
    return None if blocks is None else Parts(path, blocks, span)
