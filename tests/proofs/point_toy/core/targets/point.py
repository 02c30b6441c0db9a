"""One point in each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets._windows import Window
from sightline.core.targets.base import Index, Synthetic, Targets


@dataclass(frozen=True, eq=False)
class Point(Targets):
    """A point in each of N images.

    Attributes:
        sizes: (N, 2) int64 height and width of the images, in pixels.
        xy: (N, 2) float32 in pixels.
        scores: (N,) float in [0, 1] for a prediction, else None.
    """

    sizes: Tensor
    xy: Tensor
    scores: Tensor | None = None
    kind = "point"
    needs = "a point in each image"
    description = "a point in each image"
    located = True

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, index: Index) -> Self:
        rows = [index] if isinstance(index, int) else index
        scores = None if self.scores is None else self.scores[rows]
        return type(self)(self.sizes[rows], self.xy[rows], scores)

    def to(self, device: torch.device | str) -> Self:
        scores = None if self.scores is None else self.scores.to(device)
        return type(self)(self.sizes.to(device), self.xy.to(device), scores)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        scores = [p.scores for p in parts if p.scores is not None]
        joined = torch.cat(scores) if len(scores) == len(parts) else None
        return cls(torch.cat([p.sizes for p in parts]), torch.cat([p.xy for p in parts]), joined)

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Self:
        matrix = places.to(self.xy)
        xy = (matrix[:, :, :2] @ self.xy[:, :, None] + matrix[:, :, 2:])[:, :, 0]
        return replace(self, xy=xy, sizes=sizes.to(self.sizes))

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> Self:
        """Of each image the point that its tiles are surest of."""
        assert self.scores is not None
        corners = torch.tensor([window[:2] for window in windows])
        best = [int(self.scores.masked_fill(owner != i, -1).argmax()) for i in range(len(sizes))]
        return type(self)(sizes, (self.xy + corners)[best], self.scores[best])

    def differs(self, other: Self) -> Tensor:
        return (self.xy - other.xy).norm(dim=1) > 0.01

    def as_prediction(self, classes: int) -> Self:
        return replace(self, scores=torch.ones(len(self)))

    def as_target(self) -> Self:
        return replace(self, scores=None)

    def arrays(self, i: int) -> dict[str, Any]:
        return {"xy": self.xy[i].numpy(), "score": 1.0 if self.scores is None else float(self.scores[i])}

    def to_json(self) -> list[Any]:
        rows: list[Any] = [
            {"size": size, "xy": xy} for size, xy in zip(self.sizes.tolist(), self.xy.tolist(), strict=True)
        ]
        if self.scores is None:
            return rows
        return [{**row, "score": score} for row, score in zip(rows, self.scores.tolist(), strict=True)]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Self:
        sizes = torch.tensor([row["size"] for row in rows], dtype=torch.int64).reshape(-1, 2)
        scores = torch.tensor([row["score"] for row in rows]) if rows and "score" in rows[0] else None
        return cls(sizes, torch.tensor([row["xy"] for row in rows]).reshape(-1, 2), scores)

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A bright spot on a dark ground."""
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8)
        xy = rng.integers(4, size - 4, (n, 2))
        for image, (x, y) in zip(images, xy, strict=True):
            image[y - 2 : y + 2, x - 2 : x + 2] = 250
        return Synthetic(images, cls(torch.full((n, 2), size), torch.from_numpy(xy).float()))


TARGET = Point
