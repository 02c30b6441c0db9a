"""A heat map, and the mean place under it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets import target_type
from sightline.core.task import DataInfo

CARD = ModelCard(name="net", summary="Two convolutions and a soft argmax.", paper="")


class Net(Model):
    """The place of the spot."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        width = settings["width"]
        self.network = nn.Sequential(
            nn.Conv2d(settings["channels"], width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 1, 3, padding=1)
        )

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {"width": options.channels}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        heat = self.network(self.normalize(images))[:, 0].flatten(1).softmax(1)
        height, width = images.shape[2:]
        place = torch.arange(height * width, device=images.device)
        x, y = (place % width + 0.5).float(), (place // width + 0.5).float()
        return {"xy": torch.stack([heat @ x, heat @ y], 1), "score": heat.amax(1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        point: Any = target_type("point")
        sizes = torch.tensor(settings["size"]).expand(len(answer["xy"]), 2)
        return point(sizes, answer["xy"], answer["score"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        away = (outputs or self(batch.images))["xy"] - batch.targets.xy
        return {"loss": away.abs().mean() / 10}


MODEL = Net
