"""Path aggregation network (PAN): top-down, then bottom-up feature fusion (Liu et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.models.layers.conv import ConvNorm
from sightline.models.layers.csp import Csp


class Block(nn.Module):
    """Fusion of two maps: concatenation, 1x1 convolution and a CSP block.

    Args:
        inputs: Channels of both together.
        outputs: Channels that go out.
        depth: Residual units.
    """

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(inputs, outputs, 1)
        self.work = Csp(outputs, outputs, depth)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps of one height and width to (B, outputs, H, W)."""
        out: Tensor = self.work(self.narrow(torch.cat([first, second], 1)))
        return out


class Pan(nn.Module):
    """Path aggregation network over any number of levels.

    Source: Liu et al., Path Aggregation Network, CVPR 2018, with joined instead of added maps as in
    Bochkovskiy et al., YOLOv4, 2020.

    Args:
        inputs: Channels of each map of the backbone, finest first.
        outputs: Channels of each map that goes out, as many maps.
        depth: Residual units of each block.
    """

    def __init__(self, inputs: Sequence[int], outputs: Sequence[int], depth: int) -> None:
        super().__init__()
        finer, coarser = list(outputs[:-1]), list(outputs[1:])
        # What is told to the finer level: the coarsest map of the backbone, then what has become of it.
        tops = [*coarser[:-1], inputs[-1]]
        self.narrow = nn.ModuleList(ConvNorm(t, o, 1) for t, o in zip(tops, finer, strict=True))
        self.down = nn.ModuleList(Block(i + o, o, depth) for i, o in zip(inputs[:-1], finer, strict=True))
        self.halve = nn.ModuleList(ConvNorm(o, o, 3, 2) for o in finer)
        self.up = nn.ModuleList(Block(2 * o, wide, depth) for o, wide in zip(finer, coarser, strict=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Fuse feature maps (B, C, H, W), finest first, to maps of the same heights and widths."""
        above = maps[-1]
        narrow_maps: list[Tensor] = []
        for i in reversed(range(len(maps) - 1)):
            narrow = self.narrow[i](above)
            narrow_maps.insert(0, narrow)
            above = self.down[i](F.interpolate(narrow, size=maps[i].shape[-2:]), maps[i])
        outputs = [above]
        for i, narrow in enumerate(narrow_maps):
            outputs.append(self.up[i](self.halve[i](outputs[-1]), narrow))
        return outputs
