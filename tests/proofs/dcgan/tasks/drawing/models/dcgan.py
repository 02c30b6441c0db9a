"""A generator and a discriminator, each convolutional, for images of 8 x 8 pixels.

Source: Radford et al., Unsupervised Representation Learning with DCGANs, ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model, OptimizerGroup
from sightline.core.sample import Batch
from sightline.core.targets import target_type
from sightline.core.task import DataInfo

CARD = ModelCard(
    name="dcgan", summary="DCGAN for 8 x 8 pixels.", paper="Radford et al., ICLR 2016", trainer="adversarial",
    defaults={"optimizer": "adam", "lr": 3e-3, "momentum": 0.5, "schedule": "constant", "warmup": 0.0,
              "weight_decay": 0.0, "clip_grad": 0.0, "batch_size": 32, "ema": 0.95},
)  # fmt: skip


class Dcgan(Model):
    """Two networks; what is predicted is what the generator draws from noise."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(settings["channels"], 64, 2, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(64 * 4, 1),
        )  # fmt: skip

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {}

    def forward(self, noise: Tensor) -> dict[str, Tensor]:
        """{"image": (B, 1, 8, 8) in [0, 1]} for noise (B, C)."""
        return {"image": self.generator(noise[:, :, None, None])}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        images: Any = target_type("image")
        return images.of((answer["image"] * 255).round().byte())

    def loss(
        self, batch: Batch, rng: torch.Generator, part: str = "all", outputs: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if part == "all":  # no loss says how good drawings are
            return {}
        given = batch.inputs["noise"]  # other noise in each epoch: what is learnt is no list of drawings
        drawn = self(torch.randn(given.shape, generator=rng, device=given.device))["image"]
        if part == "generator":
            return {"loss": F.softplus(-self.discriminator(drawn)).mean()}
        real = self.discriminator(batch.targets.dense().float() / 255)
        fake = self.discriminator(drawn.detach())
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        return {"loss": loss, "real": (real > 0).float().mean(), "fake": (fake > 0).float().mean()}

    def optimizer_groups(self) -> Mapping[str, OptimizerGroup]:
        return {
            name: OptimizerGroup(list(network.parameters()), turn=name, lr_scale=scale)
            for name, network, scale in
            (("discriminator", self.discriminator, 0.5), ("generator", self.generator, 1.0))
        }  # fmt: skip


MODEL = Dcgan
