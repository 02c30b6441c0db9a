"""The vector of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...ops.draw import captioned
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class VectorArrays(TargetArrays):
    """Embedding of an image.

    Attributes:
        embedding: (D,) float, of length 1.
    """

    embedding: NDArray[np.float32]
    kind = "vector"
    outputs = ("embedding",)
    placed = True

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> VectorArrays:
        """The vector as it is."""
        del settings, stored
        return cls(outputs["embedding"])

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """A column for each number: e0, e1, ..."""
        del names, outputs
        return {f"e{k}": round(value, 6) for k, value in enumerate(self.embedding.tolist())}

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """The length of the vector is written below the image: its numbers say nothing to the eye."""
        del row, names
        return captioned(image, f"vector of {len(self.embedding)} numbers")


TARGET = VectorArrays
