"""Sequences with given detections: what a tracker reads. Their images are optional."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("frame", "x1", "y1", "x2", "y2", "score", "class")
"""What a row of detections holds; frames are counted from 1, corners are in pixels, class -1 is unknown."""


@dataclass(frozen=True)
class SequenceItem:
    """One sequence.

    Attributes:
        name: As results call it.
        length: Frames.
        rate: Frames per second; nan where unknown.
        size: Height and width of the frames in pixels; 0 where unknown.
        detections: (M, 7) float64 rows of `COLUMNS`, sorted by frame; None where there are none given.
        images: File of each frame, by its number from 1; empty where there are none.
        film: Video of the frames, or None.
    """

    name: str
    length: int
    rate: float
    size: tuple[int, int]
    detections: NDArray[np.float64] | None
    images: dict[int, Path]
    film: Path | None = None

    def table(self) -> NDArray[np.float32]:
        """(1 + M, 7): a row with length, frames per second, height and width, then the detections."""
        head = np.array([[self.length, self.rate, *self.size, 0, 0, 0]])
        rows = np.zeros((0, len(COLUMNS))) if self.detections is None else self.detections
        return np.concatenate([head, rows]).astype(np.float32)


class Sequences:
    """Sequences as the items of a data set; see `data.inputs.sequence`."""

    input = "sequence"
    dtype = "float32"

    def __init__(self, items: Sequence[SequenceItem]) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def read(self, i: int) -> NDArray[np.float32]:
        """Sequence i as `SequenceItem.table`."""
        return self.items[i].table()

    def subset(self, indices: np.ndarray) -> Sequences:
        """Some of the sequences, in that order."""
        return Sequences([self.items[int(i)] for i in indices])

    def digest(self, i: int) -> str:
        """Digest of detections and facts of sequence i, and of names and sizes of the files of its images."""
        item = self.items[i]
        files = [*item.images.values(), *([item.film] if item.film else [])]
        whole = hashlib.blake2b(item.table().tobytes(), digest_size=16)
        for file in files:
            whole.update(f"{file.name} {file.stat().st_size}".encode())
        return whole.hexdigest()
