"""A small network that convolves over time and space."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels

CARD = ModelCard(name="conv3d", summary="Two convolutions over time and space.", paper="")


class Conv3d(Model):
    """(B, C, T, H, W) to a score for each class."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        del pretrained
        super().__init__(settings)
        self.body = nn.Sequential(
            nn.Conv3d(settings["channels"], 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool3d((1, 2, 2)),
        )
        height, width = settings["size"]
        places = settings["frames"] * (height // 4) * (width // 4)
        self.head = nn.Linear(16 * places, len(settings["classes"]))

    @staticmethod
    def settings_for(info: Any, options: Any) -> dict[str, Any]:
        """Settings that follow from the data."""
        del options
        return {"classes": list(info.classes.names), "class_ids": list(info.classes.ids)}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        return {"logits": self.head(self.body(self.normalize(images)).flatten(1))}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Probabilities."""
        return {"scores": torch.softmax(outputs["logits"], 1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> ClassLabels:
        """The likeliest class."""
        return ClassLabels(answer["scores"].argmax(1), answer["scores"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy."""
        logits = (outputs or self(batch.images))["logits"].float()
        return {"loss": F.cross_entropy(logits, batch.targets.value)}


MODEL = Conv3d
