"""A head: branches that read the maps of a neck, each on every level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.models.layers.conv import ConvNorm, Separable


@dataclass(frozen=True)
class Branch:
    """One thing that a head says of every place.

    Attributes:
        outputs: Numbers for each place.
        light: Whether its layers are separable convolutions; else full ones.
        depth: 3x3 layers before the last one.
        bias: (outputs,) what the last layer begins with, or None: zeros.
        after: An earlier branch whose last hidden maps it reads, cut off from their gradient; None reads
            the neck's.
    """

    outputs: int
    light: bool = False
    depth: int = 1
    bias: Tensor | None = None
    after: str | None = None


class Head(nn.Module):
    """Branches over all levels; what they say comes in one row for each place.

    Args:
        channels: Channels of each level's map, finest first; hidden maps have as many, up to `most`.
        branches: What is said, by name, in the order in which it is computed.
        most: Most channels of hidden maps.
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
        """What the branches say.

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
        """These branches and those that they read, each before those that read it."""
        needed = set(names)
        for name, source in reversed(self.after.items()):
            if name in needed and source is not None:
                needed.add(source)
        return [name for name in self.after if name in needed]


def _each(layers: Any, maps: Sequence[Tensor]) -> list[Tensor]:
    """Each level's layer on its map."""
    return [layer(x) for layer, x in zip(layers, maps, strict=True)]


def _layers(branch: Branch, inputs: int, outputs: int) -> nn.Sequential:
    layer = Separable if branch.light else ConvNorm
    return nn.Sequential(*(layer(outputs if i else inputs, outputs) for i in range(branch.depth)))


def _last(branch: Branch, inputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, branch.outputs, 1)
    nn.init.normal_(conv.weight, std=0.01)
    with torch.no_grad():
        assert conv.bias is not None
        conv.bias.zero_() if branch.bias is None else conv.bias.copy_(branch.bias)
    return conv


def places(maps: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """(A, 3) centre x, centre y and stride, in pixels, of all places of these maps, in the head's order."""
    rows = []
    for x, stride in zip(maps, strides, strict=True):
        height, width = x.shape[-2:]
        across = (torch.arange(width, device=x.device, dtype=torch.float32) + 0.5) * stride
        down = (torch.arange(height, device=x.device, dtype=torch.float32) + 0.5) * stride
        y, x_ = torch.meshgrid(down, across, indexing="ij")
        rows.append(torch.stack([x_, y, torch.full_like(y, stride)], -1).flatten(0, 1))
    return torch.cat(rows)
