"""Temporal shift: a 2-D network whose blocks see some channels of the frames before and after."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._clip_model import ClipModel, fold_frames
from sightline.tasks.action.models._frame_net import FrameNet

CARD = ModelCard(
    name="tsm",
    summary="Temporal shift module in a small residual network: motion at the cost of a 2-D network.",
    paper="Lin et al., TSM: Temporal shift module for efficient video understanding, ICCV 2019",
    parameters=150_645,
    counted="5 classes, 1x8x16x16",
    defaults={"lr": 2e-3, "epochs": 30},
    ignores=("backbone", "variant"),
)


class Tsm(ClipModel):
    """The mean of the logits of all frames, of a network that shifts channels in time."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        del pretrained
        super().__init__(settings)
        self.network = FrameNet(settings["channels"], settings["size"])
        self.head = nn.Linear(FrameNet.width, len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        frames = images.shape[2]
        features = self.network(fold_frames(self.normalize(images)), frames)
        return {"logits": self.head(features.reshape(-1, frames, FrameNet.width)).mean(1)}


MODEL = Tsm
