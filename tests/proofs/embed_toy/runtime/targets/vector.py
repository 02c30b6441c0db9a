"""The vector of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class VectorArrays(TargetArrays):
    """(D,) float."""

    embedding: NDArray[np.float32]
    kind = "vector"
    outputs = ("embedding",)
    placed = True

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> VectorArrays:
        return cls(outputs["embedding"])

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        return {f"e{k}": round(v, 6) for k, v in enumerate(self.embedding.tolist())}


TARGET = VectorArrays
