"""Multi-branch dense head: output branches on every level of a feature pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.models.layers.conv import ConvNorm, Separable


@dataclass(frozen=True)
class Branch:
    """One output branch of a dense head.

    Attributes:
        outputs: Numbers for each anchor point.
        light: Whether its layers are depthwise separable convolutions; else full ones.
        depth: 3x3 layers before the last one.
        bias: (outputs,) initial bias of the last layer, or None for zeros.
        after: Name of an earlier branch whose last hidden maps are the input, detached from their gradient;
            None uses the maps of the neck.
    """

    outputs: int
    light: bool = False
    depth: int = 1
    bias: Tensor | None = None
    after: str | None = None


class Head(nn.Module):
    """A dense head: branches on all levels, concatenated over the anchor points.

    Args:
        channels: Channels of each level's map, finest first; hidden maps have as many, up to `most`.
        branches: Output branches by name, in the order of computation.
        most: Maximum channels of hidden maps.
    """

    def __init__(self, channels: Sequence[int], branches: Mapping[str, Branch], most: int) -> None:
        super().__init__()
        self.after = {name: branch.after for name, branch in branches.items()}
        self.hidden = nn.ModuleDict()
        self.last = nn.ModuleDict()
        for name, branch in branches.items():
            wide = [min(c, most) for c in channels]
            into = channels if branch.after is None else wide
            self.hidden[name] = nn.ModuleList(_layers(branch, i, o) for i, o in zip(into, wide, strict=True))
            self.last[name] = nn.ModuleList(_last(branch, o) for o in wide)

    def forward(self, maps: Sequence[Tensor], wanted: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Outputs of the branches at all anchor points.

        Args:
            maps: (B, C, H, W) of each level.
            wanted: Branches that are needed; None for all.

        Returns:
            (B, A, outputs) by name: the places of the first level row by row, then those of the next.
        """
        names = list(self.after) if wanted is None else list(wanted)
        hidden: dict[str, list[Tensor]] = {}
        outputs: dict[str, Tensor] = {}
        for name in self._needed(names):
            source = self.after[name]
            given = maps if source is None else [x.detach() for x in hidden[source]]
            hidden[name] = _each(self.hidden[name], given)
            if name in names:
                outputs[name] = torch.cat([x.flatten(2).mT for x in _each(self.last[name], hidden[name])], 1)
        return outputs

    def _needed(self, names: Sequence[str]) -> list[str]:
        """These branches and the branches that they read, in the order of computation."""
        needed = set(names)
        for name, source in reversed(self.after.items()):
            if name in needed and source is not None:
                needed.add(source)
        return [name for name in self.after if name in needed]


def _each(layers: Any, maps: Sequence[Tensor]) -> list[Tensor]:
    """Apply the layer of each level to its map (B, C, H, W)."""
    return [layer(x) for layer, x in zip(layers, maps, strict=True)]


def _layers(branch: Branch, inputs: int, outputs: int) -> nn.Sequential:
    """Hidden 3x3 layers of a branch: (B, inputs, H, W) to (B, outputs, H, W)."""
    layer = Separable if branch.light else ConvNorm
    return nn.Sequential(*(layer(outputs if i else inputs, outputs) for i in range(branch.depth)))


def _last(branch: Branch, inputs: int) -> nn.Conv2d:
    """Last 1x1 convolution of a branch: (B, inputs, H, W) to (B, branch.outputs, H, W), bias set."""
    conv = nn.Conv2d(inputs, branch.outputs, 1)
    nn.init.normal_(conv.weight, std=0.01)
    with torch.no_grad():
        assert conv.bias is not None
        conv.bias.zero_() if branch.bias is None else conv.bias.copy_(branch.bias)
    return conv


def places(maps: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """Anchor points of these maps: (A, 3) center x, center y, stride, in pixels, in the order of the head."""
    rows = []
    for x, stride in zip(maps, strides, strict=True):
        height, width = x.shape[-2:]
        across = (torch.arange(width, device=x.device, dtype=torch.float32) + 0.5) * stride
        down = (torch.arange(height, device=x.device, dtype=torch.float32) + 0.5) * stride
        y, x_ = torch.meshgrid(down, across, indexing="ij")
        rows.append(torch.stack([x_, y, torch.full_like(y, stride)], -1).flatten(0, 1))
    return torch.cat(rows)
