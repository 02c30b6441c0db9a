"""Base class of the networks that give a vector for each image: settings, vectors, watch for a collapse."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.vector import Vector
from sightline.core.task import DataInfo
from sightline.errors import TrainingFailed
from sightline.models import registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.embed.options import EmbedOptions

OF_PAIRS = {"lr": 1e-3, "weight_decay": 0.05, "monitor": "score", "sampler": "m-per-class", "batch_size": 32}
"""Recipe of losses on the pairs of a batch, which must hold several images of an identity."""
TUNED = {"freeze": "all-but-15", "layer_decay": 0.9, "freeze_bn": True, "lr": 3e-4, "epochs": 10}
"""Recipe where installed weights are tuned: the blocks up to stride 4 stay as they are."""
COLLAPSED = 0.01
"""Spread of unit vectors (see `spread`) below which they are all alike."""
MEMORY = 0.95
"""Of the running mean of the spread, from step to step: some 90 steps without any are a collapse."""


class EmbedModel(Model):
    """A backbone whose outputs, brought to length 1, are the vectors.

    Args:
        settings: See `settings_for`; `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the backbone: no, auto or yes.

    Attributes:
        centered: Whether vectors are centered and scaled by batch norm before they get their length.
    """

    centered: ClassVar[bool] = False
    running_spread: Tensor

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        name = settings["backbone"]
        self.network = registry.create(
            registry.DEFAULT if name == "own" else name,
            outputs=settings["dimensions"],
            channels=settings["channels"],
            size=tuple(settings["size"]),
            pretrained=pretrained,
        )
        self.neck = nn.BatchNorm1d(settings["dimensions"], affine=False) if self.centered else nn.Identity()
        self.register_buffer("running_spread", torch.ones(()))

    @classmethod
    def settings_for(cls, info: DataInfo, options: EmbedOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UnknownName: If there is no such backbone.
        """
        del info
        backbone = "own" if options.backbone in ("auto", "own") else options.backbone
        if backbone != "own":
            registry.card(backbone)
        return {
            "backbone": backbone,
            "dimensions": options.dimensions,
            "far": options.far,
            "threshold": None,
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"embedding": (B, D)} of length 1, for (B, C, H, W) images."""
        return {"embedding": F.normalize(self.neck(self.network(self.normalize(images)).float()), dim=1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Vector:
        """The vectors."""
        del settings
        return Vector(answer["embedding"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": of `loss_of`, "spread": of the vectors}; nothing in evaluation: identities of validation
        are others, and what is alike in a batch depends on the order of the data."""
        del rng, part
        if not self.training:
            return {}
        vectors = (outputs or self(batch.images))["embedding"].float()
        current = spread(vectors.detach())
        with torch.no_grad():
            self.running_spread.lerp_(current, 1 - MEMORY)
        return {"loss": self.loss_of(vectors, batch.targets.value), "spread": current}

    @abstractmethod
    def loss_of(self, vectors: Tensor, identity: Tensor) -> Tensor:
        """Loss of (B, D) unit vectors of B images with (B,) identities."""

    def on_step_end(self, step: int, progress: float) -> None:
        """Stop where all vectors have become alike.

        Raises:
            TrainingFailed: With the way out.
        """
        del progress
        if float(self.running_spread) < COLLAPSED:
            raise TrainingFailed(
                f"All vectors have become alike (spread {float(self.running_spread):.4f}, of at most 1, "
                "by step "
                f"{step}): the model says the same of every image, and the loss cannot fall any more. Use "
                "--model "
                "arcface, a lower --lr, or a longer --warmup."
            )

    def backbone(self) -> nn.Module:
        """The network, with the layer that gives the vector as its head."""
        return self.network


def spread(vectors: Tensor) -> Tensor:
    """Deviation of unit vectors (B, D): 0 where all are alike, near 1 where they point everywhere."""
    return 1 - vectors.mean(0).square().sum()


def distances(vectors: Tensor) -> Tensor:
    """(B, B) distances of unit vectors."""
    return (2 - 2 * vectors @ vectors.T).clamp(min=1e-6).sqrt()


def same_identity(identity: Tensor) -> Tensor:
    """(B, B) bool: pairs of two images with one identity; an image is no pair with itself."""
    same = identity[:, None] == identity
    return same & ~torch.eye(len(identity), dtype=torch.bool, device=identity.device)
