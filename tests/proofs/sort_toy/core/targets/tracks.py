"""Boxes with an identity in the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.geometry import apply_affine
from sightline.core.targets.base import Index, Synthetic, Targets


@dataclass(frozen=True, eq=False)
class Tracks(Targets):
    """Tracks in N clips.

    Attributes:
        sizes: (N, 2) int64 height and width of the frames, in pixels.
        rows: N of (M, 6) float64: frame from 0, identity, x1, y1, x2, y2 in pixels.
    """

    sizes: Tensor
    rows: tuple[Tensor, ...]
    kind = "tracks"
    needs = "boxes with an identity in the frames of each clip"
    description = "boxes with an identity in the frames of each clip"
    located = True

    @classmethod
    def of(cls, rows: Iterable[Any], size: Sequence[int]) -> Tracks:
        """Of clips of one size."""
        parts = tuple(torch.as_tensor(part).double().reshape(-1, 6) for part in rows)
        return cls(torch.tensor([list(size)] * len(parts), dtype=torch.int64).reshape(-1, 2), parts)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Index) -> Tracks:
        chosen = torch.arange(len(self))[[index] if isinstance(index, int) else index]
        return Tracks(self.sizes[chosen], tuple(self.rows[i] for i in chosen.tolist()))

    def to(self, device: torch.device | str) -> Tracks:
        return Tracks(self.sizes, tuple(part.to(device) for part in self.rows))

    @classmethod
    def cat(cls, parts: Sequence[Tracks]) -> Tracks:
        return cls(torch.cat([p.sizes for p in parts]), tuple(rows for p in parts for rows in p.rows))

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Tracks:
        """Corners go by the affine maps; boxes that are left with nothing are dropped."""
        moved = []
        for part, place, (height, width) in zip(
            self.rows, places.to(torch.float64), sizes.tolist(), strict=True
        ):
            x1, y1, x2, y2 = part[:, 2:].unbind(1)
            corners = torch.stack([x1, y1, x2, y1, x1, y2, x2, y2], 1).reshape(1, -1, 2)
            there = apply_affine(place[None], corners).reshape(-1, 4, 2)
            whole = torch.cat([there.amin(1), there.amax(1)], 1)
            cut = whole.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
            area, full = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (cut, whole))
            moved.append(torch.cat([part[:, :2], cut], 1)[area > least * full])
        return Tracks(sizes.long(), tuple(moved))

    def scorable(self) -> Tensor:
        return torch.tensor([len(part) > 0 for part in self.rows])

    def differs(self, other: Tracks) -> Tensor:
        pairs = zip(self.rows, other.rows, strict=True)
        return torch.tensor([a.shape != b.shape or bool(((a - b).abs() > 0.01).any()) for a, b in pairs])

    def arrays(self, i: int) -> dict[str, Any]:
        return {"rows": self.rows[i].numpy()}

    def to_json(self) -> list[Any]:
        sizes = self.sizes.tolist()
        return [{"size": size, "rows": part.tolist()} for size, part in zip(sizes, self.rows, strict=True)]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Tracks:
        parts = tuple(torch.tensor(r["rows"], dtype=torch.float64).reshape(-1, 6) for r in rows)
        return cls(torch.tensor([r["size"] for r in rows], dtype=torch.int64).reshape(-1, 2), parts)

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Clips of squares that move along rows of their own; each is hidden in one frame."""
        rng, frames, side = np.random.default_rng(seed), 10, 8
        clips = rng.integers(0, 60, (n, frames, size, size, 3), dtype=np.uint8)
        tracks = []
        for clip in clips:
            rows = []
            for identity in range(1, int(rng.integers(2, size // 14 + 1)) + 1):
                speed, hidden = rng.uniform(2, 3.5), int(rng.integers(3, frames - 2))
                left, top = np.rint(speed * np.arange(frames)).astype(int), 14 * (identity - 1) + 2
                left = size - side - left if rng.random() < 0.5 else left
                for frame in (f for f in range(frames) if f != hidden):
                    x = int(left[frame])
                    clip[frame, top : top + side, x : x + side] = 220
                    rows.append([frame, identity, x, top, x + side, top + side])
            tracks.append(rows)
        return Synthetic(clips, cls.of(tracks, (size, size)))


TARGET = Tracks
