"""Cross-stage partial (CSP) block with ELAN connections, and spatial pyramid pooling (SPP)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.models.layers.conv import ConvNorm


class Residual(nn.Module):
    """Residual unit: two 3x3 convolutions beside a shortcut (He et al., CVPR 2016).

    Args:
        channels: Channels that come in and go out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(ConvNorm(channels, channels), ConvNorm(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        out: Tensor = x + self.branch(x)
        return out


class Csp(nn.Module):
    """CSP block: half of the channels pass through residual units; all maps are concatenated and mixed.

    Sources: Wang et al., CSPNet, CVPR Workshops 2020 (the partial path); Wang et al., Designing network
    design strategies through gradient path analysis (ELAN), 2022 (keeping every step).

    Args:
        inputs: Channels that come in, even.
        outputs: Channels that go out.
        depth: Residual units, one or more.
    """

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        worked = inputs // 2
        self.units = nn.ModuleList(Residual(worked) for _ in range(depth))
        self.mix = ConvNorm(inputs + depth * worked, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        first: Any = self.units[0]
        worked = first.branch[0][0].in_channels  # other than in the beginning where the network was pruned
        steps, last = [x], x[:, -worked:]
        for unit in self.units:
            last = unit(last)
            steps.append(last)
        mixed: Tensor = self.mix(torch.cat(steps, 1))
        return mixed


class Context(nn.Module):
    """Spatial pyramid pooling: max pooling over 5, 9 and 13 pixels, concatenated with the input and mixed.

    Source: He et al., Spatial pyramid pooling, ECCV 2014, in the form of Bochkovskiy et al., YOLOv4, 2020;
    a maximum over 9 pixels is one over 5 of one over 5.

    Args:
        channels: Channels that come in and go out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(channels, channels // 2, 1)
        self.mix = ConvNorm(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        maps = [self.narrow(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, 1, 2))
        mixed: Tensor = self.mix(torch.cat(maps, 1))
        return mixed
