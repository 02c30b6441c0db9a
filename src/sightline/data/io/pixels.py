"""Image sources: files, pages of files, arrays in memory; and the image that a model receives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightline.core.dataset import Pixels
from sightline.data.io.file_types import open_file
from sightline.data.io.images import decode
from sightline.data.io.levels import Span
from sightline.data.io.regions import Whole, Windows, open_regions
from sightline.data.loading.preprocess import resize_to_input
from sightline.ops.resize_shape import ResizeMode


class Files:
    """Images in files, decoded on access.

    Args:
        paths: One file an image.
        span: See `images.decode`.
    """

    def __init__(self, paths: Sequence[Path | str], span: Span | None = None) -> None:
        self._paths = [str(p) for p in paths]
        self.span = span
        self._digests: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, i: int) -> Path:
        """File of image i."""
        return Path(self._paths[i])

    def place(self, i: int) -> tuple[Path, int]:
        """File and page of image i."""
        return self.path(i), 0

    def read(
        self, i: int, at_least: tuple[int, int] | None = None, resize: ResizeMode = "stretch"
    ) -> np.ndarray:
        """Image i, (H, W, C) uint8; see `decode`."""
        return decode(self.path(i), at_least=at_least, resize=resize, span=self.span)

    def spanned(self, span: Span | None) -> Files:
        """The same files, with pixels of more than 8 bits scaled by a span of values."""
        part = self.subset(np.arange(len(self)))
        part.span = span
        return part

    def subset(self, indices: np.ndarray) -> Files:
        """The same files, other order or fewer."""
        part = Files([self._paths[i] for i in indices], self.span)
        part._digests = self._digests
        return part

    def digest(self, i: int) -> str:
        """Digest of the bytes of file i; computed once.

        Raises:
            UnreadableImage: If the file cannot be opened.
        """
        key = self._paths[i]
        if key not in self._digests:
            with open_file(Path(key)) as (file, _):
                whole = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))  # type: ignore[arg-type]
            self._digests[key] = whole.hexdigest()
        return self._digests[key]


class Pages:
    """Pages of files, decoded on access.

    Args:
        places: File and page, from 0, of each image; page 0 of a file of one image is that image.
        span: See `images.decode`.
    """

    def __init__(self, places: Sequence[tuple[Path | str, int]], span: Span | None = None) -> None:
        self._files = Files([path for path, _ in places], span)
        self._pages = [page for _, page in places]

    def __len__(self) -> int:
        return len(self._pages)

    def path(self, i: int) -> Path:
        """File of image i."""
        return self._files.path(i)

    def place(self, i: int) -> tuple[Path, int]:
        """File and page of image i."""
        return self._files.path(i), self._pages[i]

    def read(
        self, i: int, at_least: tuple[int, int] | None = None, resize: ResizeMode = "stretch"
    ) -> np.ndarray:
        """Image i, (H, W, C) uint8; see `images.decode`."""
        return decode(
            self._files.path(i), at_least=at_least, resize=resize, page=self._pages[i], span=self.span
        )

    @property
    def span(self) -> Span | None:
        """See `images.decode`."""
        return self._files.span

    def spanned(self, span: Span | None) -> Pages:
        """See `Files.spanned`."""
        part = self.subset(np.arange(len(self)))
        part._files.span = span
        return part

    def subset(self, indices: np.ndarray) -> Pages:
        """The same pages, other order or fewer."""
        part = Pages([])
        part._files = self._files.subset(indices)
        part._pages = [self._pages[i] for i in indices]
        return part

    def digest(self, i: int) -> str:
        """Digest of the bytes of the file, and the number of the page."""
        text = f"{self._files.digest(i)} {self._pages[i]}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Arrays:
    """Items in memory.

    Args:
        array: (N, H, W, C) uint8, C is 3 or 1 (or more than 4 bands), or float32 in [0, 1]; of other kinds
            (N, F, H, W, C).
        input: The kind of input that an item is.
    """

    def __init__(self, array: np.ndarray, input: str = "image") -> None:
        if array.dtype not in (np.uint8, np.float32):
            raise ValueError(f"Arrays are uint8 or float32. Received {array.shape} {array.dtype}.")
        if input == "image" and (
            array.ndim != 4 or (array.dtype == np.uint8 and array.shape[3] not in range(1, 33))
        ):
            raise ValueError(f"Arrays takes (N, H, W, 1 or 3) uint8. Received {array.shape} {array.dtype}.")
        self.array, self.input = array, input

    def __len__(self) -> int:
        return len(self.array)

    def read(self, i: int) -> np.ndarray:
        """A copy of item i, the channels last."""
        return np.array(self.array[i])

    def subset(self, indices: np.ndarray) -> Arrays:
        """A copy of some of the images, in that order."""
        return Arrays(self.array[np.asarray(indices, dtype=np.int64)], self.input)

    def digest(self, i: int) -> str:
        """Digest of shape and pixels of image i."""
        pixels = np.ascontiguousarray(self.array[i])
        return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest()


def read_image(
    pixels: Pixels,
    i: int,
    size: tuple[int, int] | None = None,
    resize: ResizeMode = "stretch",
    channels: int = 3,
) -> np.ndarray:
    """The input of a model for item i: the only function from a data set to a network's input.

    Args:
        pixels: Where the images come from.
        i: Which one.
        size: See `resize_to_input`.
        resize: See `resize_to_input`.
        channels: See `resize_to_input`.

    Returns:
        (height, width, channels) uint8.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    image = pixels.read(i, size, resize) if isinstance(pixels, Files | Pages) else pixels.read(i)
    return resize_to_input(image, size, resize, channels)


def windows(pixels: Pixels, i: int) -> Windows:
    """Region reader for image i; it needs little memory for a large TIFF in blocks.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    reader = open_regions(*pixels.place(i), pixels.span) if isinstance(pixels, Files | Pages) else None
    return reader or Whole(pixels.read(i))
