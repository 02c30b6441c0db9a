"""A small network of ours for training from scratch: residual blocks, of which each halves the image."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from sightline.models.backbones._backbone import Backbone

WIDTHS = (32, 64, 128, 192)
LARGE = 64
"""Pixels of the longer side from which on the first convolution halves the image too."""


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, the first one with stride 2, and a shortcut around them.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / 2, W / 2)."""
        out: Tensor = (self.body(x) + self.shortcut(x)).relu()
        return out


class Encoder(Backbone):
    """A map of features at stride 8, or 16 where images are large.

    Args:
        channels: Of the images.
        size: Their height and width.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        stride = 2 if max(size) >= LARGE else 1
        self.stem = nn.Sequential(
            nn.Conv2d(channels, WIDTHS[0], 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
        )
        pairs = itertools.pairwise(WIDTHS)
        self.stages = nn.ModuleList(Block(a, b) for a, b in pairs)
        self.head = nn.Identity()
        self.levels = ((WIDTHS[-1], 8 * stride),)

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to a list of one map."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return [x]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): global average pooling of the map."""
        return self.maps(x)[-1].mean((2, 3))
