"""Bicubic interpolation.

Source: Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE Trans. ASSP 1981.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.targets import target_type
from sightline.core.task import DataInfo

CARD = ModelCard(name="bicubic", summary="Bicubic interpolation.", paper="Keys, 1981", trainer="none")


class Bicubic(Model):
    """Nothing to train."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {"mode": "bicubic"}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"image": (B, C, 2H, 2W) in [0, 1]}."""
        large = F.interpolate(images.float() / 255, scale_factor=2, mode=self.settings["mode"])
        return {"image": large.clamp(0, 1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        images: Any = target_type("image")
        return images.of((answer["image"] * 255).round().byte(), times=2)


MODEL = Bicubic
