"""SimCLR: two views of an image are to be nearer to each other than to those of other images.

Source: Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.vector import Vector
from sightline.core.task import DataInfo

CARD = ModelCard(
    name="simclr", summary="Contrastive learning of two views.", paper="Chen et al., ICML 2020",
    defaults={"batch_size": 64, "epochs": 8, "lr": 2e-3},
)  # fmt: skip
TEMPERATURE = 0.2


class SimClr(Model):
    """A small network and a projection."""

    card: ClassVar[ModelCard] = CARD
    center: Tensor

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        widths = [settings["channels"], 16, 32, 64]
        layers = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(widths)
        ]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.projection = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 16))
        self.register_buffer("center", torch.zeros(256))
        self._last: Tensor | None = None

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"embedding": F.normalize(self.encoder(self.normalize(images)), dim=1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Vector:
        return Vector(answer["embedding"])

    def loss(
        self, batch: Batch, rng: torch.Generator, part: str = "all", outputs: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if "other view" not in batch.inputs:  # validation
            return {}
        views = torch.cat([batch.images, batch.inputs["other view"]])
        features = self.encoder(self.normalize(views))
        z = F.normalize(self.projection(features), dim=1)
        self._last = features.detach().mean(0)
        likeness = (z @ z.T / TEMPERATURE).fill_diagonal_(-1e9)
        n = len(batch)
        other = torch.arange(2 * n, device=z.device).roll(n)
        return {"loss": F.cross_entropy(likeness, other)}

    def on_step_end(self, step: int, progress: float) -> None:
        """A running mean of features, as a momentum teacher would be kept."""
        if self._last is not None:
            self.center.lerp_(self._last, 0.1)


MODEL = SimClr
