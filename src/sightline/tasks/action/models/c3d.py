"""C3D, small: 3 x 3 x 3 convolutions over time and space."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._clip_model import ClipModel, conv3d, stem_strides

CARD = ModelCard(
    name="c3d",
    summary="Small C3D: four 3x3x3 convolutions over time and space; uses the order of frames.",
    paper="Tran et al., Learning spatiotemporal features with 3D convolutional networks, ICCV 2015",
    parameters=555_109,
    counted="5 classes, 1x8x16x16",
    defaults={"lr": 2e-3, "epochs": 30},
    ignores=("backbone", "variant"),
)
WIDTHS = (32, 64, 96, 128)


class C3d(ClipModel):
    """Four convolutions with pooling between them, mean over time and space, and a linear layer.

    Source: Tran et al., ICCV 2015, section 3: kernels are 3 x 3 x 3, and the first pooling keeps the time.
    """

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        del pretrained
        super().__init__(settings)
        strides = [*stem_strides(settings["size"]), 1]
        inputs = [settings["channels"], *WIDTHS[:-1]]
        layers = [conv3d(i, o, (3, 3, 3), s) for i, o, s in zip(inputs, WIDTHS, strides, strict=True)]
        space, both = (nn.MaxPool3d(k, k, ceil_mode=True) for k in ((1, 2, 2), (2, 2, 2)))
        self.body = nn.Sequential(layers[0], space, layers[1], both, layers[2], both, layers[3])
        self.head = nn.Linear(WIDTHS[-1], len(settings["classes"]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        features = self.body(self.normalize(images)).mean((2, 3, 4))
        return {"logits": self.head(features)}


MODEL = C3d
