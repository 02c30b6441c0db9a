"""Numbers of an image: the target of regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets.base import Index, Statement, Synthetic, Targets


@dataclass(frozen=True)
class RegressionValues(Targets):
    """M numbers for each of N images.

    Attributes:
        value: (N, M) float, in the user's own unit.
    """

    value: Tensor
    kind = "number"
    needs = "numbers for each image"
    description = "numbers for each image"

    def __post_init__(self) -> None:
        if self.value.ndim != 2:
            raise ValueError(f"Number.value must be (N, M). Received {tuple(self.value.shape)}.")

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Index) -> RegressionValues:
        """The numbers of some images: a slice, a list, an index tensor, a mask or one number."""
        return RegressionValues(self.value[[index] if isinstance(index, int) else index])

    def to(self, device: torch.device | str) -> RegressionValues:
        """The same on another device."""
        return RegressionValues(self.value.to(device))

    @classmethod
    def cat(cls, parts: Sequence[RegressionValues]) -> RegressionValues:
        """All images of several batches, in order."""
        return RegressionValues(torch.cat([p.value for p in parts]))

    def mix(self, other: Tensor, share: Tensor, classes: int) -> RegressionValues:
        """The weighted means."""
        del classes
        return RegressionValues(torch.lerp(self.value[other], self.value, share[:, None].to(self.value)))

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: mean and standard deviation of each number."""
        del classes
        wide = self.value.double()
        spread = wide.std(0, correction=0).clamp(min=1e-6)
        return {"output_stats": tuple(zip(wide.mean(0).tolist(), spread.tolist(), strict=True))}

    def stratify_labels(self) -> NDArray[np.int64]:
        """(N,) the quintile of the first number, so that all parts see the whole range."""
        value = self.value[:, 0].numpy()
        return np.asarray(np.searchsorted(np.quantile(value, [0.2, 0.4, 0.6, 0.8]), value))

    def differs(self, other: RegressionValues) -> Tensor:
        """(N,) bool: images for which a number differs by more than a thousandth."""
        return ~torch.isclose(self.value.double(), other.value.double(), rtol=1e-3).all(1)

    def statements(self) -> list[Statement]:
        """Each number, the others as nan."""
        alone = torch.full((self.value.shape[1],) * 2, torch.nan)
        alone.diagonal().copy_(self.value[0])
        rows = enumerate(self.value[0].tolist())
        return [Statement(RegressionValues(alone[k : k + 1].to(self.value)), k, value) for k, value in rows]

    def likeness(self, prediction: RegressionValues) -> Tensor:
        """(N,) mean over the numbers that are not nan: 1 where they are equal, one half where the prediction
        is off by a quarter of the number.
        """
        off = 4 * (prediction.value - self.value).abs() / self.value.abs().clamp(min=1e-9)
        return (1 / (1 + off)).nanmean(1)

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) the sum of the numbers that are not nan here."""
        return (outputs["value"] * ~self.value.isnan()).sum(1)

    def arrays(self, i: int) -> dict[str, Any]:
        """ "value" of image i."""
        return {"value": self.value[i].numpy()}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Gray squares: the number is their brightness."""
        value = np.linspace(0, 200, n)
        noise = np.random.default_rng(seed).integers(0, 20, (n, size, size, 1))
        images = (value[:, None, None, None] + noise).astype(np.uint8)
        return Synthetic(images, cls(torch.from_numpy(value[:, None]).float()), outputs=("brightness",))

    def to_json(self) -> list[Any]:
        """One entry an image: {"value": [numbers]}."""
        return [{"value": v} for v in self.value.tolist()]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> RegressionValues:
        """Inverse of `to_json`."""
        del classes
        width = len(rows[0]["value"]) if rows else 0
        return cls(torch.tensor([r["value"] for r in rows], dtype=torch.float32).reshape(len(rows), width))


TARGET = RegressionValues
