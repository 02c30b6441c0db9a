"""Semantic masks: a class for each pixel, the target of semantic segmentation."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets._voting import vote_class_maps
from sightline.core.targets._windows import Window
from sightline.core.targets.base import Index, Statement, Synthetic, Targets
from sightline.core.targets.bitmaps import CompressedMaps, Map, sampled

IGNORE_INDEX = 255
"""What pixels hold that have no class: they are neither trained on nor scored."""
MAX_CLASSES = 255
"""Classes that a map can tell apart."""


@dataclass(frozen=True, eq=False)
class SemanticMasks(Targets):
    """Class maps of N images.

    Attributes:
        sizes: (N, 2) int64 height and width of each map.
        maps: N maps, compressed, or (H, W) uint8 tensors: class index in [0, K), or VOID.
    """

    sizes: Tensor
    maps: tuple[CompressedMaps | Tensor, ...]
    kind = "masks"
    needs = "a class map for each image"
    located = True
    description = "a class for each pixel"

    def __post_init__(self) -> None:
        shapes = [list(m.shape) for m in self.maps]
        if self.sizes.tolist() != shapes:
            raise ValueError(f"Masks of sizes {self.sizes.tolist()} need such maps. Received {shapes}.")

    @classmethod
    def of(cls, maps: Iterable[Any]) -> SemanticMasks:
        """From maps (H, W) of class indices; tensors and arrays of any integer type."""
        tensors = tuple(torch.as_tensor(m).to(torch.uint8) for m in maps)
        return cls(torch.tensor([m.shape for m in tensors], dtype=torch.int64).reshape(-1, 2), tensors)

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: Index) -> SemanticMasks:
        """The maps of some images: a slice, a list, an index tensor, a mask or one number."""
        chosen = torch.arange(len(self))[[index] if isinstance(index, int) else index]
        some = SemanticMasks(self.sizes[chosen], tuple(self.maps[i] for i in chosen.tolist()))
        if "value_counts" in vars(self):  # what was counted once is not counted again
            vars(some)["value_counts"] = self.value_counts[chosen]
        return some

    def map(self, i: int) -> Map:
        """Map i, (H, W) uint8, read-only."""
        class_map = self.maps[i]
        return class_map.read() if isinstance(class_map, CompressedMaps) else class_map.cpu().numpy()

    def dense(self) -> Tensor:
        """(N, H, W) uint8 of maps that have one size."""
        return torch.stack(
            [torch.tensor(m.read()) if isinstance(m, CompressedMaps) else m for m in self.maps]
        )

    def to(self, device: torch.device | str) -> SemanticMasks:
        """The same on another device; compressed maps stay in main memory."""
        if any(isinstance(m, CompressedMaps) for m in self.maps) or (self.sizes != self.sizes[:1]).any():
            return self
        return SemanticMasks(self.sizes, self.dense().to(device, non_blocking=True).unbind())

    def compressed(self) -> SemanticMasks:
        """The same, compressed."""
        packed_maps = (
            m if isinstance(m, CompressedMaps) else CompressedMaps.of(m.cpu().numpy()) for m in self.maps
        )
        return SemanticMasks(self.sizes, tuple(packed_maps))

    @classmethod
    def cat(cls, parts: Sequence[SemanticMasks]) -> SemanticMasks:
        """All images of several batches, in order."""
        return SemanticMasks(torch.cat([p.sizes for p in parts]), tuple(m for p in parts for m in p.maps))

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> SemanticMasks:
        """Warp and clip the maps with their images; pixels from outside are VOID.

        Args:
            places: (N, 2, 3) affine matrices from old to new pixel coordinates.
            sizes: (N, 2) new height and width.
            least: Of no meaning here.
        """
        del least
        maps = []
        still = torch.eye(2, 3, dtype=torch.float64)
        for i, (place, size) in enumerate(zip(places.double().cpu(), sizes.tolist(), strict=True)):
            if size == list(self.maps[i].shape) and torch.equal(place, still):
                maps.append(self.maps[i])
                continue
            window = (0, 0, size[1], size[0])
            maps.append(torch.from_numpy(sampled(self.map(i), place.numpy(), window, IGNORE_INDEX)))
        return SemanticMasks(sizes.cpu().long(), tuple(maps))

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> SemanticMasks:
        """Merge maps of T tiles to maps of N images; overlapping tiles vote; see `_voting.py`."""
        maps = []
        for i, (height, width) in enumerate(sizes.tolist()):
            of_it = (owner == i).nonzero().flatten()
            rows = vote_class_maps(self[of_it].map, [windows[t] for t in of_it.tolist()], height, width)
            maps.append(CompressedMaps.of_rows((height, width), rows))
        return SemanticMasks(sizes, tuple(maps))

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image."""
        return torch.from_numpy(self.pixels(classes) > 0)

    def pixels(self, classes: int) -> NDArray[np.int64]:
        """(N, K) int64: pixels of each class in each image; VOID is not counted."""
        return self.value_counts[:, :classes]

    @cached_property
    def value_counts(self) -> NDArray[np.int64]:
        """(N, 256) pixel counts of each value in each map; those of VOID last. Cached."""
        counts = np.zeros((len(self), IGNORE_INDEX + 1), dtype=np.int64)

        def count(i: int) -> None:
            class_map = self.maps[i]
            whole = () if isinstance(class_map, CompressedMaps) else (class_map.cpu().numpy().ravel(),)
            for part in class_map.rows() if isinstance(class_map, CompressedMaps) else whole:
                counts[i] += np.bincount(part, minlength=IGNORE_INDEX + 1)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(count, range(len(self))))
        return counts

    def scorable(self) -> Tensor:
        """(N,) bool: which images have a pixel with a class."""
        return torch.from_numpy(self.value_counts[:, :IGNORE_INDEX].any(1))

    def class_totals(self, classes: int) -> dict[str, NDArray[np.int64]]:
        """(K,) pixels of each class."""
        return {"pixels": self.pixels(classes).sum(0)}

    def differs(self, other: SemanticMasks) -> Tensor:
        """(N,) bool: which images have a pixel of another class."""
        return torch.tensor([bool((self.map(i) != other.map(i)).any()) for i in range(len(self))])

    def statements(self) -> list[Statement]:
        """Each class with its region, the others as IGNORE_INDEX; the largest region first."""
        class_map = torch.tensor(self.map(0))
        shares = (
            torch.bincount(class_map.flatten().long(), minlength=IGNORE_INDEX)[:IGNORE_INDEX]
            / class_map.numel()
        )
        order = [k for k in shares.argsort(descending=True, stable=True).tolist() if shares[k] > 0]
        alone = (SemanticMasks.of([class_map.masked_fill(class_map != k, IGNORE_INDEX)]) for k in order)
        return [Statement(mask, k, float(shares[k])) for mask, k in zip(alone, order, strict=True)]

    def likeness(self, prediction: SemanticMasks) -> Tensor:
        """(N,) share of the pixels with a class here that have the same class there."""
        mine, others = self.dense(), prediction.dense()
        labeled = mine != IGNORE_INDEX
        return (labeled & (mine == others)).sum((1, 2)) / labeled.sum((1, 2)).clamp(min=1)

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) mean logit of the class over its region (Vinogradova et al., Seg-Grad-CAM, AAAI 2020)."""
        classes = self.dense().to(outputs["logits"].device).long()
        labeled = classes != IGNORE_INDEX
        logits = outputs["logits"].gather(1, classes.masked_fill(~labeled, 0)[:, None])[:, 0]
        return (logits * labeled).sum((1, 2)) / labeled.sum((1, 2)).clamp(min=1)

    def arrays(self, i: int) -> dict[str, Any]:
        """ "map" of image i."""
        return {"map": self.map(i)}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A bright square and a red bar on a dark background."""
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8)
        maps = np.zeros((n, size, size), dtype=np.uint8)
        for image, class_map in zip(images, maps, strict=True):
            for label, (h, w) in ((1, (size // 3, size // 3)), (2, (size // 5, size // 2))):
                y, x = int(rng.integers(0, size - h)), int(rng.integers(0, size - w))
                class_map[y : y + h, x : x + w] = label
            image[class_map == 1] += 150
            image[class_map == 2, 0] += 150
        return Synthetic(images, cls.of(maps), ("ground", "square", "bar"))

    def map_classes(self, to: Tensor, classes: int) -> SemanticMasks:
        """Map class i to to[i], of `classes` in all; VOID stays."""
        del classes
        table = np.arange(IGNORE_INDEX + 1, dtype=np.uint8)
        table[: len(to)] = to.numpy()
        return SemanticMasks(
            self.sizes, tuple(CompressedMaps.of(table[self.map(i)]) for i in range(len(self)))
        )

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: pixels of each class."""
        return {"class_counts": tuple(self.pixels(classes).sum(0).tolist())}

    def to_json(self) -> list[Any]:
        """One entry an image: {"size": [h, w], "zlib": base64 of the compressed rows of class indices}."""
        packed = (m for m in self.compressed().maps if isinstance(m, CompressedMaps))
        return [{"size": list(m.shape), "zlib": base64.b64encode(m.data).decode()} for m in packed]

    def digests(self) -> list[Any]:
        """One entry an image: size and digest of its map."""
        packed = (m for m in self.compressed().maps if isinstance(m, CompressedMaps))
        return [[list(m.shape), m.digest()] for m in packed]

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> SemanticMasks:
        """Inverse of `to_json`."""
        del classes
        sizes = torch.tensor([row["size"] for row in rows], dtype=torch.int64).reshape(-1, 2)
        return cls(sizes, tuple(CompressedMaps(tuple(r["size"]), base64.b64decode(r["zlib"])) for r in rows))


TARGET = SemanticMasks
