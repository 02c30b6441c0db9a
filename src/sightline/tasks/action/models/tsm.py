"""Temporal shift: a 2-D network whose blocks see some channels of the frames before and after."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._frame_model import OWN, FrameModel

CARD = ModelCard(
    name="tsm",
    summary="Temporal shift module in a small residual network: motion at the cost of a 2-D network.",
    paper="Lin et al., TSM: Temporal shift module for efficient video understanding, ICCV 2019",
    parameters=150_645,
    counted="5 classes, 1x8x16x16",
    defaults={"lr": 2e-3, "epochs": 30},
)


class Tsm(FrameModel):
    """The mean of the logits of all frames, of a network that shifts channels in time."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__({**settings, "backbone": OWN}, pretrained, shifted=True)
        self.settings = settings
        self.head = nn.Linear(self.width, len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        return {"logits": self.head(self.frame_features(images)).mean(1)}


MODEL = Tsm
