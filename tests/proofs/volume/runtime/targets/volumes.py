"""Class map of one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class VolumeArrays(TargetArrays):
    """A class for each voxel.

    Attributes:
        voxels: (D, H, W) uint8.
    """

    voxels: NDArray[np.uint8]
    kind = "volumes"
    located = True
    outputs = ("classes",)

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> VolumeArrays:
        """The map at the size of the input."""
        return cls(outputs["classes"])

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """Voxels of each class but the first."""
        return {name: int((self.voxels == k).sum()) for k, name in enumerate(names) if k}


TARGET = VolumeArrays
