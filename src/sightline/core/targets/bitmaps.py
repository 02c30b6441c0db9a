"""Compressed pixel maps: the masks of objects, and the storage of class maps."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets._sampled import Map, sampled, visible_window

__all__ = ["BAND", "CompressedMaps", "CroppedMasks", "Map", "sampled"]

BAND = 2**20
"""Pixels at a time where a map is gone through."""


@dataclass(frozen=True, slots=True)
class CompressedMaps:
    """One map of small integers, compressed without loss (zlib), typically to a hundredth.

    Attributes:
        shape: (height, width).
        data: Compressed rows of uint8.
        bits: Whether the map is a mask whose rows are kept as bits, eight pixels a byte, each row from a byte
            of its own: two thirds of the memory, and read in less time.
    """

    shape: tuple[int, int]
    data: bytes
    bits: bool = False

    @classmethod
    def of(cls, pixels: Map) -> CompressedMaps:
        """Compress a map (H, W) uint8."""
        height, width = pixels.shape
        return cls((height, width), zlib.compress(np.ascontiguousarray(pixels).data, 1))

    @classmethod
    def of_mask(cls, pixels: Map) -> CompressedMaps:
        """Compress a mask (H, W): 1 where the argument is not 0."""
        height, width = pixels.shape
        return cls((height, width), zlib.compress(np.packbits(pixels != 0, axis=1).data, 1), bits=True)

    @classmethod
    def of_rows(cls, shape: tuple[int, int], rows: Iterable[Map]) -> CompressedMaps:
        """Compress a map from chunks of its rows, so that it is never in memory as a whole."""
        press = zlib.compressobj(1)
        data = b"".join([*(press.compress(np.ascontiguousarray(r).data) for r in rows), press.flush()])
        return cls(shape, data)

    def rows(self) -> Iterator[Map]:
        """All of its pixels in order, (n,) uint8, about a megabyte at a time; of a mask at once."""
        if self.bits:
            yield self.read().ravel()
            return
        press, data = zlib.decompressobj(), self.data
        while not press.eof:
            yield np.frombuffer(press.decompress(data, BAND), dtype=np.uint8)
            data = press.unconsumed_tail

    def read(self) -> Map:
        """Decompress: (H, W) uint8, read-only."""
        values, (height, width) = np.frombuffer(zlib.decompress(self.data), dtype=np.uint8), self.shape
        if not self.bits:
            return values.reshape(self.shape)
        return np.unpackbits(values.reshape(height, -(-width // 8)), axis=1, count=width)

    def digest(self) -> str:
        """Digest of the pixels, independent of the compression."""
        return hashlib.blake2b(self.read().data, digest_size=16).hexdigest()


@dataclass(frozen=True, eq=False)
class CroppedMasks:
    """Masks of M objects, each stored as the part of its image that it lies in.

    Attributes:
        corners: (M, 2) int64 x and y of the top left pixel of each part.
        crops: M parts, 1 where the object is, else 0; a part may have no pixel at all.
    """

    corners: Tensor
    crops: tuple[CompressedMaps, ...]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, rows: Tensor) -> CroppedMasks:
        """Some of the objects: (R,) int64 rows, or an (M,) mask."""
        chosen = torch.arange(len(self))[rows.cpu()]
        return CroppedMasks(self.corners[chosen], tuple(self.crops[i] for i in chosen.tolist()))

    def __iter__(self) -> Iterator[tuple[int, int, Map]]:
        """x, y and (h, w) uint8 of each object's part."""
        for (x, y), crop in zip(self.corners.tolist(), self.crops, strict=True):
            yield x, y, crop.read()

    @classmethod
    def of(cls, masks: Iterable[Any]) -> CroppedMasks:
        """From masks (H, W) of any type: nonzero pixels are the object; each is cropped."""
        corners, crops = [], []
        for mask in masks:
            nonzero = np.asarray(mask) != 0
            rows, columns = np.flatnonzero(nonzero.any(1)), np.flatnonzero(nonzero.any(0))
            box = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0, 0, 0, 0)
            corners.append([int(box[2]), int(box[0])])
            crops.append(CompressedMaps.of_mask(nonzero[box[0] : box[1], box[2] : box[3]]))
        return cls(torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), tuple(crops))

    @staticmethod
    def cat(parts: Sequence[CroppedMasks]) -> CroppedMasks:
        """All objects of several, in order."""
        return CroppedMasks(torch.cat([p.corners for p in parts]), tuple(c for p in parts for c in p.crops))

    def to(self, device: torch.device | str) -> CroppedMasks:
        """No change: compressed masks stay in main memory; `dense` makes tensors of them."""
        del device
        return self

    def dense(self, height: int, width: int) -> Tensor:
        """(M, height, width) bool; parts outside are cut off."""
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

    def warp(self, places: Tensor, sizes: Tensor) -> CroppedMasks:
        """Warp the objects by (M, 2, 3) affine matrices and clip them to (M, 2) heights and widths."""
        corners, crops = [], []
        matrices = places.double().cpu().numpy()
        for part, place, size in zip(self, matrices, sizes.tolist(), strict=True):
            x, y, crop = visible_window(part, place, size)
            corners.append([x, y])
            crops.append(CompressedMaps.of_mask(crop))
        return CroppedMasks(torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), tuple(crops))

    def tolist(self) -> list[Any]:
        """One entry an object: {"corner": [x, y], "size": [h, w], "bits": base64 of the compressed rows}, or
        "zlib" where the rows are of bytes, as all once were."""
        return [
            {
                "corner": corner,
                "size": list(c.shape),
                "bits" if c.bits else "zlib": base64.b64encode(c.data).decode(),
            }
            for corner, c in zip(self.corners.tolist(), self.crops, strict=True)
        ]

    @classmethod
    def from_list(cls, rows: Sequence[Any]) -> CroppedMasks:
        """Inverse of `tolist`."""
        corners = torch.tensor([row["corner"] for row in rows], dtype=torch.int64).reshape(-1, 2)
        crops = []
        for row in rows:
            bits, (height, width) = "bits" in row, row["size"]
            data = base64.b64decode(row["bits" if bits else "zlib"])
            crops.append(CompressedMaps((height, width), data, bits))
        return cls(corners, tuple(crops))
