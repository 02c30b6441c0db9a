"""Sample and Batch: what flows from the disk to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Targets(Protocol):
    """What every target type offers; see `core/targets/`."""

    kind: str

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...
    def to(self, device: torch.device | str) -> Any:
        """The same on another device."""

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
    """

    images: Tensor
    targets: Any
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        targets = None if self.targets is None else self.targets.to(device)
        return Batch(self.images.to(device, non_blocking=True), targets, self.ids)
