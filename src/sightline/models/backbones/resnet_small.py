"""A small residual network that is quick on a processor, for small pictures."""

import math

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone

CARD = ModelCard(
    name="resnet-small",
    summary="Small fast residual network for small pictures; the one to start with.",
    paper="He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016; "
    "layout after Page, How to train your ResNet, 2018, and Jordan, 94 % on CIFAR-10 in 3.29 s, 2024",
    parameters=1_941_546,
    counted="10 classes, 3x32x32, width 32",
    defaults={},
)


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Stage(nn.Module):
    """Halve the picture, widen it, and refine it by one residual branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )
        self.branch = nn.Sequential(_conv(outputs, outputs), _conv(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H/2), ceil(W/2))."""
        x = self.widen(x)
        added: Tensor = x + self.branch(x)
        return added


class ResNetSmall(Backbone):
    """A stem, three stages, and the largest response of each channel.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the picture.
        halvings: How often the stem halves the picture before anything else.
        width: Channels after the stem.
    """

    def __init__(self, outputs: int, channels: int, halvings: int, width: int) -> None:
        super().__init__()
        stem: list[nn.Module] = []
        before = channels
        for _ in range(halvings):
            stem += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            before = width
        self.stem = nn.Sequential(*stem, _conv(before, width))
        self.stages = nn.Sequential(
            Stage(width, 2 * width), Stage(2 * width, 4 * width), Stage(4 * width, 8 * width)
        )
        self.head = nn.Linear(8 * width, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 8 * width)."""
        return torch.amax(self.stages(self.stem(x)), dim=(2, 3))


def build(*, outputs: int, channels: int, size: tuple[int, int], width: int = 32) -> Backbone:
    """The network for pictures of about this size (any size runs); larger ones are halved first."""
    if width < 4:
        raise UsageError(f"resnet-small takes a width of 4 or more. Received {width}.")
    halvings = max(0, math.ceil(math.log2(max(size) / 64)))
    return ResNetSmall(outputs, channels, halvings, width)
