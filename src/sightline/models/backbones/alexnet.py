"""AlexNet (Krizhevsky et al. 2012), built by torchvision."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, alexnet

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone, take_channels

CARD = ModelCard(
    name="alexnet",
    summary="AlexNet in one tower, from torchvision; images of 63x63 and more.",
    paper="Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014; after "
    "Krizhevsky, Sutskever, Hinton, ImageNet classification with deep CNNs, NeurIPS 2012",
    parameters=61_100_840,
    counted="1000 classes, 3x224x224",
    size=(224, 224),
    defaults={"lr": 3e-4},
)

WEIGHTS = AlexNet_Weights.DEFAULT
"""What torchvision publishes for it."""


class AlexNet(Backbone):
    """Five convolutions and three dense layers.

    Args:
        net: torchvision's network, which is taken apart.
        outputs: Numbers that come out.
    """

    def __init__(self, net: Any, outputs: int) -> None:
        super().__init__()
        self.convolutions = net.features
        self.pool = net.avgpool
        self.dense = net.classifier[:-1]
        last = net.classifier[-1]
        self.head = last if last.out_features == outputs else nn.Linear(last.in_features, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 4096)."""
        features: Tensor = self.dense(self.pool(self.convolutions(x)).flatten(1))
        return features


def build(
    *, outputs: int, channels: int, size: tuple[int, int], dropout: float = 0.5, pretrained: bool = False
) -> Backbone:
    """AlexNet for images of any size from 63x63 on.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width); the network is the same for all.
        dropout: Share of dense units that is switched off in training.
        pretrained: Fetch torchvision's weights.
    """
    del size
    net = alexnet(num_classes=1000 if pretrained else outputs, dropout=dropout)
    if pretrained:
        net.load_state_dict(WEIGHTS.get_state_dict(progress=False, check_hash=True, weights_only=True))
    net.features[0] = take_channels(net.features[0], channels, keep=pretrained)
    backbone = AlexNet(net, outputs)
    if pretrained:
        backbone.origin = f"torchvision: {WEIGHTS.url}"
        backbone.pixels = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if channels == 3 else None
    return backbone
