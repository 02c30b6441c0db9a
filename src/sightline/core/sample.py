"""Sample and Batch: the data that flow from the disk to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor


class Targets(Protocol):
    """What every target type offers; see `core/targets/`."""

    kind: str

    @property
    def says(self) -> str:
        """What they tell of each image, for people."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...
    def to(self, device: torch.device | str) -> Any:
        """The same on another device."""

    def packed(self) -> Any:
        """The same in as little memory as can be, to be kept."""

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Any:
        """The same after the images were moved by (B, 2, 3) affine matrices, in pixels, and cut to
        (B, 2) heights and widths; parts of which no more than the share `least` is left are dropped."""

    def summary(self, classes: int) -> dict[str, Any]:
        """What `DataInfo` says of them: some of `multi`, `counts` and `range`."""

    def to_json(self) -> list[Any]:
        """One entry an image."""


@dataclass(frozen=True)
class Sample:
    """One picture with its truth.

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
    """B pictures with their truths.

    Attributes:
        images: (B, C, H, W), uint8 in [0, 255] or float in [0, 1].
        targets: Truth of B images.
        ids: Their names.
        places: (B, 2, 3) affine matrices from the pixels of the stored pictures to those of
            `images`, or None: as stored.
        sizes: (B, 2) height and width of the stored pictures, or None: those of `images`.
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
        """A prediction for `images`, in the pixels of the stored pictures."""
        if self.places is None or self.sizes is None:
            return prediction
        return prediction.moved(inverse(self.places), self.sizes)


def told(targets: Any) -> list[Any]:
    """One JSON-able entry an image, the same for the same truth on every machine."""
    # Compressed maps are told by digests: their bytes differ from build to build of the library.
    entries: list[Any] = getattr(targets, "digests", targets.to_json)()
    return entries


def inverse(places: Tensor) -> Tensor:
    """(B, 2, 3) affine matrices that undo others."""
    turned = torch.linalg.inv(places[:, :, :2])
    return torch.cat([turned, -turned @ places[:, :, 2:]], 2)
