"""Frame average: the mean of what a 2-D network says of each frame."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._frame_model import FrameModel

CARD = ModelCard(
    name="frame-average",
    summary="Mean of the frame scores of any 2-D network (--backbone); does not know the order of frames.",
    paper="Wang et al., Temporal segment networks, ECCV 2016",
    parameters=150_645,
    counted="5 classes, 1x8x16x16",
    defaults={"lr": 2e-3, "epochs": 30},
    ignores=("variant",),
)


class FrameAverage(FrameModel):
    """The mean of the logits of all frames.

    Source: Wang et al., ECCV 2016, section 3.1, with the mean as consensus.
    """

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings, pretrained)
        self.head = nn.Linear(self.width, len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        return {"logits": self.head(self.frame_features(images)).mean(1)}


MODEL = FrameAverage
