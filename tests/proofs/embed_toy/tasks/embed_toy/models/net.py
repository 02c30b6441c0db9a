"""Three convolutions, trained by the softmax of cosines to a proxy of each class (CosFace, CVPR 2018)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets import target_type
from sightline.core.task import DataInfo

CARD = ModelCard(name="net", summary="Three convolutions and a proxy for each class.", paper="")
SCALE = 10


class Net(Model):
    """Vectors of length 1."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        sides = [settings["channels"], 8, 16, 32]
        layers: list[nn.Module] = []
        for a, b in pairwise(sides):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.ReLU()]
        self.network = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, settings["width"])
        )
        self.proxies = nn.Parameter(torch.randn(len(settings["classes"]), settings["width"]))

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {"classes": list(info.classes.names if info.classes else ()), "width": options.width}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"embedding": F.normalize(self.network(self.normalize(images)), dim=1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        vector: Any = target_type("vector")
        return vector(answer["embedding"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        cosines = (outputs or self(batch.images))["embedding"] @ F.normalize(self.proxies, dim=1).T
        return {"loss": F.cross_entropy(SCALE * cosines, batch.targets.value)}


MODEL = Net
