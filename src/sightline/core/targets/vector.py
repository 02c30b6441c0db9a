"""A vector for each image: an embedding, in which images that belong together lie close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.base import Index, Synthetic, Targets

SAME_COSINE = 0.999
"""Cosine from which on two vectors say the same of an image."""
_DECIMALS = 6


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
        """The vectors of some images."""
        return Vector(self.embedding[[index] if isinstance(index, int) else index])

    def to(self, device: torch.device | str) -> Vector:
        """The same on another device."""
        return Vector(self.embedding.to(device))

    @classmethod
    def cat(cls, parts: Sequence[Vector]) -> Vector:
        """All images of several batches, in order."""
        return cls(torch.cat([p.embedding for p in parts]))

    def to_json(self) -> list[Any]:
        """{"embedding": numbers to six decimals} of each image."""
        rows = self.embedding.double().round(decimals=_DECIMALS).tolist()
        return [{"embedding": [round(value, _DECIMALS) for value in row]} for row in rows]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Vector:
        """Inverse of `to_json`."""
        del classes
        width = len(rows[0]["embedding"]) if rows else 0
        values = torch.tensor([row["embedding"] for row in rows], dtype=torch.float32)
        return cls(values.reshape(len(rows), width))

    def arrays(self, i: int) -> dict[str, Any]:
        """ "embedding" of image i."""
        return {"embedding": self.embedding[i].float().numpy()}

    def differs(self, other: Vector) -> Tensor:
        """(N,) bool: vectors whose cosine with the other's is below `SAME_COSINE`."""
        return self._cosines(other) < SAME_COSINE

    def likeness(self, prediction: Vector) -> Tensor:
        """(N,) cosine with the other vector, at least 0."""
        return self._cosines(prediction).clamp(min=0)

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) cosine of the network's vectors with these."""
        return F.cosine_similarity(outputs["embedding"], self.embedding.to(outputs["embedding"]))

    def _cosines(self, other: Vector) -> Tensor:
        return F.cosine_similarity(self.embedding.float(), other.embedding.float())

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Noise that is brighter from image to image; the vector turns with it."""
        noise = np.random.default_rng(seed).integers(0, 20, (n, size, size, 3))
        images = (noise + np.linspace(0, 200, n)[:, None, None, None]).astype(np.uint8)
        angle = torch.linspace(0, 3, n)
        return Synthetic(images, cls(torch.stack([angle.cos(), angle.sin()], 1)))


TARGET = Vector
