"""GoogLeNet (Inception v1 with batch norm), built by torchvision."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models import GoogLeNet, GoogLeNet_Weights

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone, take_channels

CARD = ModelCard(
    name="googlenet",
    summary="GoogLeNet from torchvision, without its two auxiliary heads.",
    paper="Szegedy et al., Going deeper with convolutions, CVPR 2015",
    parameters=6_624_904,
    counted="1000 classes, 3x224x224, no auxiliary heads",
    size=(224, 224),
    defaults={"lr": 1e-3},
)

WEIGHTS = GoogLeNet_Weights.DEFAULT
"""What torchvision publishes for it."""


class Inception(Backbone):
    """Nine inception modules and one dense layer.

    Args:
        net: torchvision's network, whose last layer is taken out.
        outputs: Numbers that come out.
    """

    def __init__(self, net: Any, outputs: int) -> None:
        super().__init__()
        last, net.fc = net.fc, nn.Identity()
        self.net = net
        self.head = last if last.out_features == outputs else nn.Linear(last.in_features, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1024)."""
        features: Tensor = self.net(x)
        return features


def build(
    *, outputs: int, channels: int, size: tuple[int, int], dropout: float = 0.2, pretrained: bool = False
) -> Backbone:
    """GoogLeNet for images of any size from 15x15 on.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width); the network is the same for all.
        dropout: Share of features that is switched off in training.
        pretrained: Fetch torchvision's weights.
    """
    del size
    net = GoogLeNet(
        num_classes=1000 if pretrained else outputs,
        aux_logits=pretrained,
        init_weights=not pretrained,
        dropout=dropout,
    )
    if pretrained:
        net.load_state_dict(WEIGHTS.get_state_dict(progress=False, check_hash=True, weights_only=True))
        net.aux_logits, net.aux1, net.aux2 = False, None, None
    net.conv1.conv = take_channels(net.conv1.conv, channels, keep=pretrained)
    backbone = Inception(net, outputs)
    if pretrained:
        backbone.origin = f"torchvision: {WEIGHTS.url}"
        # These weights came from TensorFlow, where images run from -1 to 1.
        backbone.pixels = ((0.5,) * 3, (0.5,) * 3) if channels == 3 else None
    return backbone
