"""Pixels that differ from the image's median color are objects: nothing is learnt."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.targets.number import RegressionValues
from sightline.core.task import DataInfo

CARD = ModelCard(name="otsu", summary="A threshold on the distance from the median color.", paper="",
                 trainer="none")  # fmt: skip


class Threshold(Model):
    """The share of pixels far from the median color, in per cent."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {"outputs": list(info.outputs), "distance": 2.0}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        pixels = self.normalize(images).flatten(2)
        middle = pixels.sort(2).values[:, :, pixels.shape[2] // 2, None]
        far = (pixels - middle).abs().amax(1) > self.settings["distance"]
        return {"value": 100 * far.float().mean(1, keepdim=True)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> RegressionValues:
        return RegressionValues(answer["value"])


MODEL = Threshold
