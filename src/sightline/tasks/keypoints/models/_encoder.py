"""A small pyramid of ours, for training from scratch: residual blocks at strides 2 to 32."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from sightline.models.backbones._backbone import Backbone

WIDTHS = (24, 48, 96, 160, 160)
"""Channels at strides 2, 4, 8, 16 and 32."""


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, the first one with stride 2, and a shortcut around them.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, outputs, stride=2), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / 2, W / 2)."""
        out: Tensor = self.act(self.body(x) + self.shortcut(x))
        return out


class Encoder(Backbone):
    """Maps at strides 4, 8, 16 and 32.

    Args:
        channels: Of the images.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*convolution(channels, WIDTHS[0], stride=2))
        pairs = itertools.pairwise(WIDTHS)
        self.stages = nn.ModuleList(Residual(a, b) for a, b in pairs)
        self.head = nn.Identity()
        self.levels = tuple((width, 4 * 2**i) for i, width in enumerate(WIDTHS[1:]))

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to a map of each level, finest first."""
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): global average pooling of the last map."""
        return self.maps(x)[-1].mean((2, 3))


def convolution(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution with batch norm and ReLU."""
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
