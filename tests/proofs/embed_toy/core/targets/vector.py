"""A vector for each image: an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets.base import Index, Synthetic, Targets


@dataclass(frozen=True, eq=False)
class Vector(Targets):
    """A vector for each of N images.

    Attributes:
        embedding: (N, D) float, of length 1.
    """

    embedding: Tensor
    kind = "vector"
    needs = "a vector for each image"
    description = "a vector for each image"

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, index: Index) -> Vector:
        return Vector(self.embedding[[index] if isinstance(index, int) else index])

    def to(self, device: torch.device | str) -> Vector:
        return Vector(self.embedding.to(device))

    @classmethod
    def cat(cls, parts: Sequence[Vector]) -> Vector:
        return cls(torch.cat([p.embedding for p in parts]))

    def to_json(self) -> list[Any]:
        return [{"embedding": row} for row in self.embedding.tolist()]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Vector:
        width = len(rows[0]["embedding"]) if rows else 0
        return cls(torch.tensor([row["embedding"] for row in rows]).reshape(len(rows), width))

    def arrays(self, i: int) -> dict[str, Any]:
        return {"embedding": self.embedding[i].numpy()}

    def differs(self, other: Vector) -> Tensor:
        return (self.embedding - other.embedding).norm(dim=1) > 1e-3

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Noise brighter from image to image; the vector turns with it."""
        noise = np.random.default_rng(seed).integers(0, 20, (n, size, size, 3))
        images = (noise + np.linspace(0, 200, n)[:, None, None, None]).astype(np.uint8)
        angle = torch.linspace(0, 3, n)
        return Synthetic(images, cls(torch.stack([angle.cos(), angle.sin()], 1)))


TARGET = Vector
