"""Nothing: the truth of items of which nobody has said anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Unlabelled:
    """N items without a truth.

    Attributes:
        numbers: (N,) int64, nothing but how many there are.
    """

    numbers: Tensor
    kind = "unlabelled"
    says = "nothing of the images"

    @classmethod
    def of(cls, n: int) -> Unlabelled:
        """n items."""
        return cls(torch.zeros(n, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Unlabelled:
        """Some of the items: a slice, a list, an index tensor, a mask or one number."""
        return Unlabelled(self.numbers[[index] if isinstance(index, int) else index])

    def to(self, device: torch.device | str) -> Unlabelled:
        """The same on another device."""
        return Unlabelled(self.numbers.to(device))

    @staticmethod
    def cat(parts: Sequence[Unlabelled]) -> Unlabelled:
        """All items of several batches."""
        return Unlabelled(torch.cat([p.numbers for p in parts]))

    def packed(self) -> Unlabelled:
        """Itself."""
        return self

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Unlabelled:
        """Itself: there is nothing to move."""
        del places, sizes, least
        return self

    def summary(self, classes: int) -> dict[str, Any]:
        """Nothing."""
        del classes
        return {}

    def to_json(self) -> list[Any]:
        """One entry an item: null."""
        return [None] * len(self)

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Unlabelled:
        """Inverse of `to_json`."""
        del classes
        return cls.of(len(rows))
