"""R(2+1)D, small: convolutions in space, then in time, in residual blocks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._clip_model import ClipModel, conv3d, stem_strides

CARD = ModelCard(
    name="r2plus1d",
    summary="Small R(2+1)D: 3x3 convolutions in space and then 3 in time, in three residual blocks.",
    paper="Tran et al., A closer look at spatiotemporal convolutions for action recognition, CVPR 2018",
    parameters=206_581,
    counted="5 classes, 1x8x16x16",
    defaults={"lr": 2e-3, "epochs": 30},
    ignores=("backbone", "variant"),
)
WIDTHS, STRIDES = (32, 64, 64), (2, 2, 1)


class Block(nn.Module):
    """A residual block of a convolution in space and one in time, twice."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv3d(inputs, outputs, (1, 3, 3), stride),
            conv3d(outputs, outputs, (3, 1, 1)),
            conv3d(outputs, outputs, (1, 3, 3)),
            nn.Conv3d(outputs, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(outputs),
        )
        self.shortcut = nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T, H / stride, W / stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class R2plus1d(ClipModel):
    """A stem, three blocks, the mean over time and space, and a linear layer.

    Source: Tran et al., CVPR 2018, section 3.5; with fewer and narrower blocks.
    """

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        del pretrained
        super().__init__(settings)
        first, *rest = stem_strides(settings["size"])
        stem = conv3d(settings["channels"], WIDTHS[0] // 2, (1, 3, 3), first)
        pool = nn.MaxPool3d((1, side, side)) if (side := rest[0] * rest[1]) > 1 else nn.Identity()
        inputs = (WIDTHS[0] // 2, *WIDTHS[:-1])
        blocks = [Block(i, o, s) for i, o, s in zip(inputs, WIDTHS, STRIDES, strict=True)]
        self.body = nn.Sequential(stem, pool, *blocks)
        self.head = nn.Linear(WIDTHS[-1], len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        return {"logits": self.head(self.body(self.normalize(images)).mean((2, 3, 4)))}


MODEL = R2plus1d
