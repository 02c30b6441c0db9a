"""Instances with masks: the target of instance segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets.base import Synthetic
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances


@dataclass(frozen=True, eq=False)
class InstanceMasks(Instances):
    """Instances with a mask for each object; see `Instances`."""

    kind = "outlines"
    needs = "a mask for each object"
    description = "a mask for each object"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.masks is None:
            raise ValueError("Outlines need `masks`. Received None; objects without are Instances.")

    @property
    def bitmaps(self) -> CroppedMasks:
        """The masks."""
        assert self.masks is not None
        return self.masks

    @classmethod
    def of(
        cls, sizes: Tensor, counts: Tensor, masks: CroppedMasks, labels: Tensor, scores: Tensor | None = None
    ) -> InstanceMasks:
        """Objects from their masks; the boxes are the bounding boxes."""
        return cls(counts, sizes, masks.boxes(), labels, scores, masks.areas(), masks=masks)

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A bright square and a bright disc on a dark background."""
        rng, length = np.random.default_rng(seed), size // 3
        images = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8)
        rows, columns = np.mgrid[0:size, 0:size]
        masks, labels = [], []
        for image in images:
            for k, left in enumerate(rng.permutation([0, size // 2]).tolist()):
                y, x = int(rng.integers(0, size - length)), left + int(rng.integers(0, size // 2 - length))
                inside = (rows >= y) & (rows < y + length) & (columns >= x) & (columns < x + length)
                if k:
                    down, right = rows - y - length / 2, columns - x - length / 2
                    inside &= down**2 + right**2 < (length / 2) ** 2
                image[inside] += 150
                masks.append(inside)
                labels.append(k)
        counts, sizes = torch.full((n,), 2), torch.full((n, 2), size)
        targets = cls.of(sizes, counts, CroppedMasks.of(masks), torch.tensor(labels))
        return Synthetic(images, targets, ("square", "disc"))

    def boxed(self) -> Instances:
        """The same objects without their masks."""
        per_object = {name: value for name, value in self._per_object() if name != "masks"}
        return Instances(self.counts, self.sizes, **per_object)

    def digests(self) -> list[Any]:
        """One entry for each image: the JSON of `Instances`, and digests of the masks."""
        digests = iter([corner, crop.digest()] for corner, crop in
                    zip(self.bitmaps.corners.tolist(), self.bitmaps.crops, strict=True))  # fmt: skip
        return [[row, [next(digests) for _ in row["labels"]]] for row in self.boxed().to_json()]


TARGET = InstanceMasks
