"""Model: how a task is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.sample import Batch


class Model(nn.Module, ABC):
    """A network with its loss and the way to read its outputs.

    Args:
        settings: All that is needed to build it and to read its outputs, JSON-able. At least
            `mean` and `std` (per channel, of images in [0, 1]) and `size` (height, width).
    """

    card: ClassVar[ModelCard]

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        shape = (1, -1, 1, 1)
        self.register_buffer("mean", torch.tensor(settings["mean"]).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(settings["std"]).reshape(shape), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8, or float in [0, 1], to zero mean and unit deviation."""
        x = images.float() / 255 if images.dtype == torch.uint8 else images
        return (x - self.mean) / self.std

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Named outputs for (B, C, H, W) images, uint8 or float in [0, 1]. Exportable."""

    @classmethod
    @abstractmethod
    def decode(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Predictions from outputs. Needs no weights, so an exported model is read by it too."""

    @abstractmethod
    def loss(self, batch: Batch, rng: torch.Generator, part: str = "all") -> dict[str, Tensor]:
        """Named scalars; "loss" is minimised, all are logged; "outputs" may not be among them."""

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters by part; several parts have one optimiser each."""
        return {"all": [p for p in self.parameters() if p.requires_grad]}

    def head(self) -> nn.Module | None:
        """The part that a new task replaces and `--freeze backbone` leaves free."""
        return None
