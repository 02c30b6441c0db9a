"""Sample and Batch: the data that flow from the disk to the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from sightline.core.geometry import invert_affine
from sightline.core.targets.base import Targets

T = TypeVar("T", bound=Targets)
IMAGE = "image"
"""Name of the input that is looked at, where there is one."""


@dataclass(frozen=True)
class Sample:
    """One image with its target.

    Attributes:
        image: (C, H, W) uint8, RGB or grey, C is 3 or 1.
        target: Target for one image, or None.
        id: Name of the sample in its data set.
    """

    image: Tensor
    target: Any
    id: str


@dataclass(frozen=True, init=False)
class Batch:
    """B inputs with their targets.

    Attributes:
        inputs: What the model is given, by name: {"image": (B, C, H, W)}; a clip or volume is (B, C, T, H, W)
            or (B, C, D, H, W), a pair has two names. uint8 in [0, 255], or float in [0, 1].
        targets: Target of B items, or None.
        ids: Their names.
        affine: (B, d, d + 1) maps from the pixels of the stored items to those of the inputs, or None: as
            stored. See `core.geometry`.
        original_sizes: (B, d) sizes of the stored items (height and width), or None: those of the inputs.
    """

    inputs: Mapping[str, Tensor]
    targets: Any
    ids: Sequence[str]
    affine: Tensor | None
    original_sizes: Tensor | None

    def __init__(
        self,
        inputs: Mapping[str, Tensor] | Tensor,
        targets: Any,
        ids: Sequence[str],
        affine: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> None:
        """See the class; a lone tensor is the input "image"."""
        named = {IMAGE: inputs} if isinstance(inputs, Tensor) else dict(inputs)
        values = (named, targets, ids, affine, original_sizes)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def images(self) -> Tensor:
        """The input "image"; where no input has that name, the first."""
        return self.inputs[IMAGE] if IMAGE in self.inputs else next(iter(self.inputs.values()))

    def __len__(self) -> int:
        return len(self.images)

    def with_images(self, images: Tensor, **changes: Any) -> Batch:
        """The same with other images, and other changes as for `dataclasses.replace`."""
        name = IMAGE if IMAGE in self.inputs else next(iter(self.inputs))
        return replace(self, inputs={**self.inputs, name: images}, **changes)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        targets = None if self.targets is None else self.targets.to(device)
        inputs = {name: value.to(device, non_blocking=True) for name, value in self.inputs.items()}
        return replace(self, inputs=inputs, targets=targets)

    def back(self, prediction: T) -> T:
        """Map a prediction from pixels of `images` to pixels of the stored images."""
        if self.affine is None or self.original_sizes is None:
            return prediction
        return prediction.warp(invert_affine(self.affine), self.original_sizes)
