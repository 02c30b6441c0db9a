"""One image without annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True)
class UnlabeledArrays(TargetArrays):
    """No target."""

    kind = "none"

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> UnlabeledArrays:
        """Nothing, whatever the outputs."""
        del outputs, settings, stored
        return cls()

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """An empty row."""
        del names, outputs
        return {}


TARGET = UnlabeledArrays
