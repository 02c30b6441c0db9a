"""Data without annotations: images without a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets.base import Index, Synthetic, Targets


@dataclass(frozen=True)
class Unlabeled(Targets):
    """N images without a target.

    Attributes:
        count: N.
    """

    count: int
    kind = "none"
    needs = "images"
    description = "nothing"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Index) -> Unlabeled:
        """As many as are chosen."""
        return Unlabeled(len(torch.arange(self.count)[[index] if isinstance(index, int) else index]))

    def to(self, device: torch.device | str) -> Unlabeled:
        """The same."""
        del device
        return self

    @classmethod
    def cat(cls, parts: Sequence[Unlabeled]) -> Unlabeled:
        """As many as all together."""
        return cls(sum(p.count for p in parts))

    def scorable(self) -> Tensor:
        """(N,) bool: always False."""
        return torch.zeros(self.count, dtype=torch.bool)

    def differs(self, other: Unlabeled) -> Tensor:
        """(N,) bool: always False."""
        del other
        return torch.zeros(self.count, dtype=torch.bool)

    def arrays(self, i: int) -> dict[str, Any]:
        """Nothing."""
        del i
        return {}

    def to_json(self) -> list[Any]:
        """An empty entry for each image."""
        return [{} for _ in range(self.count)]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Unlabeled:
        """Inverse of `to_json`."""
        del classes
        return cls(len(rows))

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Noise."""
        rng = np.random.default_rng(seed)
        return Synthetic(rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8), cls(n))


TARGET = Unlabeled
