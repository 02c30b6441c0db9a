"""Numbers of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class NumberArrays(TargetArrays):
    """Numbers of an image.

    Attributes:
        value: (M,) float, in the user's own unit.
    """

    value: NDArray[np.float32]
    kind = "number"
    outputs = ("value",)
    placed = True

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> NumberArrays:
        """The numbers as they are."""
        del settings, stored
        return cls(outputs["value"])

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """One column for each number."""
        del names
        return dict(zip(outputs, self.value.tolist(), strict=True))


TARGET = NumberArrays
