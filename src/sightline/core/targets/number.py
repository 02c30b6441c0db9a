"""Numbers of an image: the target of regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Number:
    """M numbers for each of N images.

    Attributes:
        value: (N, M) float, in the user's own unit.
    """

    value: Tensor
    kind = "number"
    says = "numbers for each image"

    def __post_init__(self) -> None:
        if self.value.ndim != 2:
            raise ValueError(f"Number.value must be (N, M). Received {tuple(self.value.shape)}.")

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Number:
        """The numbers of some images: a slice, a list, an index tensor, a mask or one number."""
        return Number(self.value[[index] if isinstance(index, int) else index])

    def to(self, device: torch.device | str) -> Number:
        """The same on another device."""
        return Number(self.value.to(device))

    @staticmethod
    def cat(parts: Sequence[Number]) -> Number:
        """All images of several batches, in order."""
        return Number(torch.cat([p.value for p in parts]))

    def packed(self) -> Number:
        """No change: nothing can be compressed."""
        return self

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Number:
        """No change: a number belongs to the whole image."""
        del places, sizes, least
        return self

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: mean and standard deviation of each number."""
        del classes
        wide = self.value.double()
        spread = wide.std(0, correction=0).clamp(min=1e-6)
        return {"range": tuple(zip(wide.mean(0).tolist(), spread.tolist(), strict=True))}

    def to_json(self) -> list[Any]:
        """One entry an image: {"value": [numbers]}."""
        return [{"value": v} for v in self.value.tolist()]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Number:
        """Inverse of `to_json`."""
        del classes
        return cls(torch.tensor([r["value"] for r in rows], dtype=torch.float32).reshape(len(rows), -1))
