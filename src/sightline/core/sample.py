"""Sample and Batch: the data that flow from the disk to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sightline.core.targets.base import Targets


@dataclass(frozen=True)
class Sample:
    """One image with its target.

    Attributes:
        image: (C, H, W) uint8, RGB or grey, C is 3 or 1.
        target: Truth for one image, or None.
        id: Name of the sample in its data set.
    """

    image: Tensor
    target: Any
    id: str


@dataclass(frozen=True)
class Batch:
    """B images with their targets.

    Attributes:
        images: (B, C, H, W), uint8 in [0, 255] or float in [0, 1].
        targets: Targets of B images, in pixels of `images`.
        ids: Their names.
        places: (B, 2, 3) affine matrices from pixels of the stored images to pixels of `images`, or None:
            as stored.
        sizes: (B, 2) height and width of the stored images, or None: those of `images`.
    """

    images: Tensor
    targets: Any
    ids: Sequence[str]
    places: Tensor | None = None
    sizes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        targets = None if self.targets is None else self.targets.to(device)
        return replace(self, images=self.images.to(device, non_blocking=True), targets=targets)

    def back(self, prediction: Any) -> Any:
        """Map a prediction from pixels of `images` to pixels of the stored images."""
        if self.places is None or self.sizes is None:
            return prediction
        return prediction.moved(inverse(self.places), self.sizes)


def told(targets: Targets) -> list[Any]:
    """Canonical JSON: one entry for each image, the same for equal targets on every machine."""
    return targets.digests()


def inverse(places: Tensor) -> Tensor:
    """Invert affine matrices (B, 2, 3)."""
    turned = torch.linalg.inv(places[:, :, :2])
    return torch.cat([turned, -turned @ places[:, :, 2:]], 2)
