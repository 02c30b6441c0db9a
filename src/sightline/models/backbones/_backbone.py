"""`Backbone`: the base class of classification networks, split into features and head."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sightline.errors import UsageError


class Backbone(nn.Module, ABC):
    """Base class of networks: images to features, and features to outputs.

    Input is float (B, C, H, W), already normalised. A subclass sets `head`, its last layer.

    Attributes:
        head: The last layer, (B, D) to (B, outputs). A new task replaces it.
        origin: Where the weights come from, in words: "scratch", or the place they were fetched from.
        pixels: Per-channel (mean, std) of images in [0, 1] that the weights were trained with, or
            None for weights that were not trained yet.
    """

    head: nn.Module
    origin: str = "scratch"
    pixels: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) normalised images to (B, D) features, D being what the head takes."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) normalised images to (B, outputs) scores before any softmax."""
        scores: Tensor = self.head(self.features(x))
        return scores

    def blocks(self) -> list[nn.Module]:
        """Modules with weights, from input to output, without the head: the units of freezing."""
        return [b for name, m in self.named_children() if name != "head" for b in _unrolled(m)]

    def first_conv(self) -> nn.Conv2d | None:
        """The first convolution, whose filters can be looked at; None where there is none."""
        return next((m for m in self.modules() if isinstance(m, nn.Conv2d)), None)


def _unrolled(module: nn.Module) -> list[nn.Module]:
    """Flatten nested containers into their parts; parts without weights are left out."""
    if type(module) in (nn.Sequential, nn.ModuleList):
        return [b for child in module.children() for b in _unrolled(child)]
    return [module] if any(True for _ in module.parameters()) else []


def flat(name: str, channels: int, size: tuple[int, int]) -> int:
    """Number of features after flattening an image (C * H * W).

    Raises:
        UsageError: If nothing is left.
    """
    if min(size) < 1:
        raise UsageError(f"Model '{name}' shrinks images of this size to nothing. Use a larger --size.")
    return channels * size[0] * size[1]


def for_channels(weight: Tensor, wanted: Tensor) -> Tensor:
    """The weight of a first convolution of three colors for the channels of another; others as they are.

    Grey takes the sum over the colors, since it is equal in all three. Other bands take the kernels of the
    colors in turn, scaled so that their sum stays.

    Args:
        weight: (O, 3, k, k), (O, 3, k, k, k) for clips, or of any other layer.
        wanted: What it is to replace.
    """
    if (
        weight.ndim not in (4, 5)
        or wanted.ndim != weight.ndim
        or weight.shape[1] != 3
        or wanted.shape[1] == 3
    ):
        return weight
    channels = wanted.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % 3] * (3 / channels)


Convolution = nn.Conv2d | nn.Conv3d


def take_channels(conv: Convolution, channels: int, *, keep: bool) -> Convolution:
    """A first convolution like this one, for images or clips of other channels.

    Args:
        conv: Convolution of an RGB network.
        channels: Channels it shall take.
        keep: Whether its weights are worth keeping: summed over colours, as grey is equal in all three, and
            spread evenly over the channels.
    """
    if conv.in_channels == channels:
        return conv
    adapted = type(conv)(
        channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        bias=conv.bias is not None,
    )
    if keep:
        with torch.no_grad():
            adapted.weight.copy_(conv.weight.sum(dim=1, keepdim=True) / channels)
            if conv.bias is not None and adapted.bias is not None:
                adapted.bias.copy_(conv.bias)
    return adapted
