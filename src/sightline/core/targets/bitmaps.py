"""Maps of pixels, kept compressed: the masks of objects, and what class maps are stored as."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Map = NDArray[np.uint8]

_EDGE = 1e-6
"""What a place is moved by before it is rounded down, so that 0.999... of arithmetic falls where 1 does."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One map of small whole numbers, compressed without loss (zlib): a hundredth of its pixels, mostly.

    Attributes:
        shape: (height, width).
        data: Compressed rows of uint8.
    """

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def of(cls, pixels: Map) -> Packed:
        """The map (H, W) uint8, compressed."""
        height, width = pixels.shape
        return cls((height, width), zlib.compress(np.ascontiguousarray(pixels).data, 1))

    def read(self) -> Map:
        """(H, W) uint8, not to be written to."""
        return np.frombuffer(zlib.decompress(self.data), dtype=np.uint8).reshape(self.shape)

    def digest(self) -> str:
        """Digest of the pixels, whatever they were compressed by."""
        return hashlib.blake2b(self.read().data, digest_size=16).hexdigest()


def sampled(pixels: Map, place: NDArray[Any], window: Sequence[int], outside: int) -> Map:
    """A map after it was moved, each new pixel with the value of the old one that its centre lies in.

    Args:
        pixels: (H, W) uint8.
        place: (2, 3) affine matrix from old pixel coordinates to new ones.
        window: x1, y1, x2, y2 of what is wanted, in new pixels, the far edge outside the last one.
        outside: Value of what was not in the map.

    Returns:
        (y2 - y1, x2 - x1) uint8.
    """
    back = np.linalg.inv(np.vstack([np.asarray(place, dtype=np.float64), [0, 0, 1]]))
    x, y = np.arange(window[0], window[2]) + 0.5, np.arange(window[1], window[3])[:, None] + 0.5
    height, width = pixels.shape
    if back[0, 1] == 0 and back[1, 0] == 0:
        columns, rows = back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]
    else:
        columns = back[0, 0] * x + back[0, 1] * y + back[0, 2]
        rows = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    columns, rows = (np.floor(v + _EDGE).astype(np.int64) for v in (columns, rows))
    there = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    found = pixels[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return found if there.all() else np.where(there, found, np.uint8(outside))


@dataclass(frozen=True, eq=False)
class Bitmaps:
    """Masks of M objects, each kept as the part of its picture that it lies in.

    Attributes:
        corners: (M, 2) int64 x and y of the top left pixel of each part.
        crops: M parts, 1 where the object is, else 0; a part may have no pixel at all.
    """

    corners: Tensor
    crops: tuple[Packed, ...]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, rows: Tensor) -> Bitmaps:
        """Some of the objects: (R,) int64 rows, or an (M,) mask."""
        chosen = torch.arange(len(self))[rows.cpu()]
        return Bitmaps(self.corners[chosen], tuple(self.crops[i] for i in chosen.tolist()))

    def __iter__(self) -> Iterator[tuple[int, int, Map]]:
        """x, y and (h, w) uint8 of each object's part."""
        for (x, y), crop in zip(self.corners.tolist(), self.crops, strict=True):
            yield x, y, crop.read()

    @classmethod
    def of(cls, masks: Iterable[Any]) -> Bitmaps:
        """Masks (H, W) of any type, what is not 0 being the object, as cut out."""
        corners, crops = [], []
        for mask in masks:
            there = np.asarray(mask) != 0
            rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
            box = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0, 0, 0, 0)
            corners.append([int(box[2]), int(box[0])])
            crops.append(Packed.of(there[box[0] : box[1], box[2] : box[3]].astype(np.uint8)))
        return cls(torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), tuple(crops))

    @staticmethod
    def cat(parts: Sequence[Bitmaps]) -> Bitmaps:
        """All objects of several, in order."""
        return Bitmaps(torch.cat([p.corners for p in parts]), tuple(c for p in parts for c in p.crops))

    def to(self, device: torch.device | str) -> Bitmaps:
        """The same: compressed masks stay in main memory; `dense` makes tensors of them."""
        del device
        return self

    def dense(self, height: int, width: int) -> Tensor:
        """(M, height, width) bool; what lies beyond is cut off."""
        out = torch.zeros(len(self), height, width, dtype=torch.bool)
        for mask, (x, y, crop) in zip(out.numpy(), self, strict=True):
            h, w = max(0, min(crop.shape[0], height - y)), max(0, min(crop.shape[1], width - x))
            mask[y : y + h, x : x + w] = crop[:h, :w]
        return out

    def areas(self) -> Tensor:
        """(M,) float32 pixels of each object."""
        return torch.tensor([float(crop.sum()) for _, _, crop in self])

    def boxes(self) -> Tensor:
        """(M, 4) float32 x1, y1, x2, y2 of the parts, the far edge outside the last pixel."""
        shapes = torch.tensor([c.shape[::-1] for c in self.crops], dtype=torch.int64).reshape(-1, 2)
        return torch.cat([self.corners, self.corners + shapes], 1).float()

    def moved(self, places: Tensor, sizes: Tensor) -> Bitmaps:
        """The same objects moved by (M, 2, 3) affine matrices and cut to (M, 2) heights and widths."""
        corners, crops = [], []
        matrices = places.double().cpu().numpy()
        for (x, y, crop), place, (height, width) in zip(self, matrices, sizes.tolist(), strict=True):
            h, w = crop.shape
            ends = place[:, :2] @ np.array([[x, x + w, x, x + w], [y, y, y + h, y + h]]) + place[:, 2:]
            low, high = np.floor(ends.min(1) + _EDGE), np.ceil(ends.max(1) - _EDGE)
            x1, y1 = np.clip(low, 0, (width, height)).astype(int).tolist()
            x2, y2 = np.clip(high, 0, (width, height)).astype(int).tolist()
            if h == 0 or w == 0 or x2 <= x1 or y2 <= y1:
                x2, y2, found = x1, y1, np.zeros((0, 0), dtype=np.uint8)
            else:
                here = np.column_stack([place[:, :2], place[:, :2] @ (x, y) + place[:, 2]])
                found = sampled(crop, here, (x1, y1, x2, y2), 0)
            corners.append([x1, y1])
            crops.append(Packed.of(found))
        return Bitmaps(torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), tuple(crops))

    def tolist(self) -> list[Any]:
        """One entry an object: {"corner": [x, y], "size": [h, w], "zlib": base64 of the compressed rows}."""
        return [
            {"corner": corner, "size": list(c.shape), "zlib": base64.b64encode(c.data).decode()}
            for corner, c in zip(self.corners.tolist(), self.crops, strict=True)
        ]

    @classmethod
    def from_list(cls, rows: Sequence[Any]) -> Bitmaps:
        """Inverse of `tolist`."""
        corners = torch.tensor([row["corner"] for row in rows], dtype=torch.int64).reshape(-1, 2)
        crops = (Packed((r["size"][0], r["size"][1]), base64.b64decode(r["zlib"])) for r in rows)
        return cls(corners, tuple(crops))
