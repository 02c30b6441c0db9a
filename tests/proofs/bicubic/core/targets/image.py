"""An image as the target of an image: what it looks like enlarged, repaired, or drawn from noise."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets._sampled import sampled
from sightline.core.targets.base import Index, Synthetic, Targets


@dataclass(frozen=True, eq=False)
class Images(Targets):
    """An image for each of N images, of the same size or of a multiple of it.

    Attributes:
        sizes: (N, 2) int64 height and width of the images that they belong to.
        pixels: N of (C, sH, sW) uint8, s times as large.
    """

    sizes: Tensor
    pixels: tuple[Tensor, ...]
    kind = "image"
    needs = "an image for each image"
    description = "an image for each image"
    located = True

    @classmethod
    def of(cls, pixels: Iterable[Tensor], times: int = 1) -> Images:
        """Images that are some times as large as those that they belong to."""
        parts = tuple(pixels)
        sizes = [[side // times for side in part.shape[1:]] for part in parts]
        return cls(torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2), parts)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: Index) -> Images:
        chosen = torch.arange(len(self))[[index] if isinstance(index, int) else index]
        return Images(self.sizes[chosen], tuple(self.pixels[i] for i in chosen.tolist()))

    def to(self, device: torch.device | str) -> Images:
        return Images(self.sizes, tuple(p.to(device) for p in self.pixels))

    @classmethod
    def cat(cls, parts: Sequence[Images]) -> Images:
        return cls(torch.cat([p.sizes for p in parts]), tuple(x for p in parts for x in p.pixels))

    def dense(self) -> Tensor:
        """(N, C, sH, sW) of images that have one size."""
        return torch.stack(self.pixels)

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Images:
        """Each new pixel is the nearest old one; what was outside is black."""
        del least
        moved = []
        still = torch.eye(2, 3, dtype=torch.float64)
        for old, part, place, new in zip(self.sizes, self.pixels, places.double(), sizes, strict=True):
            if torch.equal(old, new) and torch.equal(place, still):
                moved.append(part)
                continue
            times = part.shape[1] // int(old[0])
            matrix = torch.cat([place[:, :2], place[:, 2:] * times], 1).numpy()
            window = (0, 0, int(new[1]) * times, int(new[0]) * times)
            channels = [sampled(channel, matrix, window, 0) for channel in part.cpu().numpy()]
            moved.append(torch.from_numpy(np.stack(channels)))
        return Images(sizes.long(), tuple(moved))

    def differs(self, other: Images) -> Tensor:
        """Pixels apart by more than the rounding of a network's outputs."""
        pairs = zip(self.pixels, other.pixels, strict=True)
        return torch.tensor([bool(((a.int() - b.int()).abs() > 2).any()) for a, b in pairs])

    def arrays(self, i: int) -> dict[str, Any]:
        return {"pixels": self.pixels[i].permute(1, 2, 0).cpu().numpy()}

    def to_json(self) -> list[Any]:
        return [
            {"size": size, "shape": list(part.shape), "zlib": base64.b64encode(_compressed(part)).decode()}
            for size, part in zip(self.sizes.tolist(), self.pixels, strict=True)
        ]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Images:
        data = [np.frombuffer(zlib.decompress(base64.b64decode(r["zlib"])), np.uint8) for r in rows]
        parts = (torch.tensor(x.reshape(r["shape"])) for x, r in zip(data, rows, strict=True))
        return cls(torch.tensor([r["size"] for r in rows]).reshape(-1, 2), tuple(parts))

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Noise, and its negative."""
        images = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
        return Synthetic(images, cls.of(torch.from_numpy(255 - images).permute(0, 3, 1, 2)))


def _compressed(part: Tensor) -> bytes:
    return zlib.compress(part.cpu().numpy().tobytes())


TARGET = Images
