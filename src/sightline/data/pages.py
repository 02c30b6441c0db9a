"""Pictures that are pages of files: the slices of a TIFF stack."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightline.data.images import Files, decode, probe


class Pages:
    """Pages of files, decoded when they are read.

    Args:
        places: File and page, from 0, of each picture; page 0 of a file of one picture is that picture.
    """

    def __init__(self, places: Sequence[tuple[Path | str, int]]) -> None:
        self._files = Files([path for path, _ in places])
        self._pages = [page for _, page in places]

    def __len__(self) -> int:
        return len(self._pages)

    def read(self, i: int) -> np.ndarray:
        """Picture i, (H, W, C) uint8; see `images.decode`."""
        return decode(self._files.path(i), page=self._pages[i])

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


def pages_of(path: Path) -> int:
    """Pictures in a file that may have several (TIFF); 1 for others.

    Raises:
        UnreadableImage: If the header cannot be read.
    """
    return probe(path).frames if path.suffix.lower() in (".tif", ".tiff") else 1
