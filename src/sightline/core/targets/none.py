"""Images that nothing is known of: data without annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Unlabeled:
    """N images without a target.

    Attributes:
        count: N.
    """

    count: int
    kind = "none"
    says = "nothing"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Unlabeled:
        """As many as are chosen."""
        return Unlabeled(len(torch.arange(self.count)[[index] if isinstance(index, int) else index]))

    def to(self, device: torch.device | str) -> Unlabeled:
        """Itself."""
        del device
        return self

    @staticmethod
    def cat(parts: Sequence[Unlabeled]) -> Unlabeled:
        """As many as all together."""
        return Unlabeled(sum(part.count for part in parts))

    def packed(self) -> Unlabeled:
        """Itself."""
        return self

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Unlabeled:
        """Itself."""
        del places, sizes, least
        return self

    def summary(self, classes: int) -> dict[str, Any]:
        """Nothing."""
        del classes
        return {}

    def to_json(self) -> list[Any]:
        """An empty entry an image."""
        return [{} for _ in range(self.count)]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Unlabeled:
        """Inverse of `to_json`."""
        del classes
        return cls(len(rows))
