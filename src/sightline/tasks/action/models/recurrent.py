"""GRU and LSTM over the features of frames."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._frame_model import FrameModel

WIDTH = 128


class Recurrent(FrameModel):
    """A recurrent network reads the features of the frames in order; its last state is classified."""

    cell: ClassVar[type[nn.GRU] | type[nn.LSTM]]

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings, pretrained)
        self.memory = self.cell(self.width, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        states, _ = self.memory(self.frame_features(images))
        return {"logits": self.head(states[:, -1])}


class Gru(Recurrent):
    """`Recurrent` with gated recurrent units."""

    cell = nn.GRU
    card: ClassVar[ModelCard] = ModelCard(
        name="gru",
        summary="Gated recurrent unit over the frame features of any 2-D network (--backbone).",
        paper="Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014",
        parameters=225_461,
        counted="5 classes, 1x8x16x16",
        defaults={"lr": 2e-3, "epochs": 30},
        ignores=("variant",),
    )


class Lstm(Recurrent):
    """`Recurrent` with long short-term memory."""

    cell = nn.LSTM
    card: ClassVar[ModelCard] = ModelCard(
        name="lstm",
        summary="Long short-term memory over the frame features of any 2-D network (--backbone).",
        paper="Donahue et al., Long-term recurrent convolutional networks, CVPR 2015",
        parameters=250_293,
        counted="5 classes, 1x8x16x16",
        defaults={"lr": 2e-3, "epochs": 30},
        ignores=("variant",),
    )


MODELS = {"gru": Gru, "lstm": Lstm}
