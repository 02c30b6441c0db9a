"""A class for each voxel of a volume."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.geometry import apply_affine, identity_affine, invert_affine
from sightline.core.targets.base import Index, Synthetic, Targets

OUTSIDE = 255
"""What voxels hold that have no class."""


@dataclass(frozen=True, eq=False)
class Volumes(Targets):
    """Class maps of N volumes.

    Attributes:
        sizes: (N, 3) int64 depth, height and width.
        maps: N of (D, H, W) uint8, class index or `OUTSIDE`.
    """

    sizes: Tensor
    maps: tuple[Tensor, ...]
    kind = "volumes"
    needs = "a class for each voxel"
    description = "a class for each voxel"
    located = True

    @classmethod
    def of(cls, maps: Iterable[Any]) -> Volumes:
        """Maps (D, H, W) of class indices."""
        tensors = tuple(torch.as_tensor(m).to(torch.uint8) for m in maps)
        return cls(torch.tensor([m.shape for m in tensors], dtype=torch.int64).reshape(-1, 3), tensors)

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: Index) -> Volumes:
        chosen = torch.arange(len(self))[[index] if isinstance(index, int) else index]
        return Volumes(self.sizes[chosen], tuple(self.maps[i] for i in chosen.tolist()))

    def map(self, i: int) -> np.ndarray:
        """Map i, (D, H, W)."""
        return self.maps[i].cpu().numpy()

    def dense(self) -> Tensor:
        """(N, D, H, W) of maps that have one size."""
        return torch.stack(self.maps)

    def to(self, device: torch.device | str) -> Volumes:
        """The same on another device."""
        return Volumes(self.sizes, tuple(m.to(device) for m in self.maps))

    @classmethod
    def cat(cls, parts: Sequence[Volumes]) -> Volumes:
        """All volumes of several batches."""
        return cls(torch.cat([p.sizes for p in parts]), tuple(m for p in parts for m in p.maps))

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Volumes:
        """The same after (N, 3, 4) affine maps and cutting to (N, 3) sizes; each voxel from the nearest."""
        del least
        still = identity_affine(1, 3)[0]
        maps = []
        for i, (place, size) in enumerate(zip(places.double().cpu(), sizes.tolist(), strict=True)):
            same = size == self.sizes[i].tolist() and torch.equal(place, still)
            maps.append(self.maps[i] if same else _sampled(self.maps[i], place, size))
        return Volumes(sizes.cpu().long(), tuple(maps))

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each volume."""
        return torch.stack([torch.bincount(m.flatten(), minlength=256)[:classes] > 0 for m in self.maps])

    def scorable(self) -> Tensor:
        """(N,) bool: which volumes have a voxel with a class."""
        return torch.tensor([bool((m != OUTSIDE).any()) for m in self.maps])

    def differs(self, other: Volumes) -> Tensor:
        """(N,) bool: which volumes have a voxel of another class."""
        return torch.tensor([not torch.equal(a, b) for a, b in zip(self.maps, other.maps, strict=True)])

    def arrays(self, i: int) -> dict[str, Any]:
        """ "voxels" of volume i."""
        return {"voxels": self.map(i)}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A bright ball in each volume."""
        rng = np.random.default_rng(seed)
        depth = max(size // 2, 8)
        grid = np.stack(np.meshgrid(*(np.arange(s) for s in (depth, size, size)), indexing="ij"), -1)
        volumes = rng.integers(0, 80, (n, depth, size, size, 1), dtype=np.uint8)
        maps = []
        for volume in volumes:
            center, radius = rng.uniform(3, (depth - 3, size - 3, size - 3)), rng.uniform(2, 4)
            inside = ((grid - center) ** 2).sum(-1) < radius**2
            volume[inside, 0] += 120
            maps.append(inside.astype(np.uint8))
        return Synthetic(volumes, cls.of(maps), ("background", "ball"))

    def summary(self, classes: int) -> dict[str, Any]:
        """Voxels of each class."""
        counts = sum(torch.bincount(m.flatten(), minlength=256)[:classes] for m in self.maps)
        return {"class_counts": tuple(torch.as_tensor(counts).tolist())}

    def to_json(self) -> list[Any]:
        """One entry a volume."""
        return [
            {
                "size": list(m.shape),
                "zlib": base64.b64encode(zlib.compress(m.cpu().numpy().tobytes())).decode(),
            }
            for m in self.maps
        ]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Volumes:
        """Inverse of `to_json`."""
        del classes
        return cls.of(
            np.frombuffer(zlib.decompress(base64.b64decode(r["zlib"])), np.uint8).reshape(r["size"]).copy()
            for r in rows
        )


def _sampled(volume: Tensor, place: Tensor, size: Sequence[int]) -> Tensor:
    z, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) + 0.5 for n in size), indexing="ij")
    points = torch.stack([x, y, z], -1).reshape(1, -1, 3)
    where = apply_affine(invert_affine(place[None]), points)[0].add(1e-6).floor().long().flip(1)
    limits = torch.tensor(volume.shape)
    inside = ((where >= 0) & (where < limits)).all(1)
    d, h, w = where.clamp(min=0).minimum(limits - 1).unbind(1)
    return torch.where(inside, volume.cpu()[d, h, w], OUTSIDE).reshape(*size).to(torch.uint8)


TARGET = Volumes
