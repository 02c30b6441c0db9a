"""U-Net as published in 2015: encoder-decoder with concatenated skip connections.

Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015: two
3x3 convolutions with ReLU at each of five depths, 64 to 1024 channels, no batch norm, dropout at the end of
the encoder, weights drawn from a normal distribution of deviation sqrt(2 / N) (He et al., ICCV 2015).

The decoder offers three kinds of upsampling (`--up`), all with as many parameters:

* `transposed`: a 2x2 transposed convolution, as in the authors' program. It is cheap and learned. But each of
  the four pixels from one has its own weights, so flat regions may show a checkerboard
  (Odena, Dumoulin, Olah, Deconvolution and Checkerboard Artifacts, Distill 2016). The kernel is a multiple
  of the stride, so nothing overlaps unevenly, which is the worse cause of it.
* `bilinear`, `nearest`: the map is enlarged, then passes through a 2x2 convolution, as in the paper's text.
  There is no checkerboard, and borders are smoother; that convolution costs four times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.models.adapters import base
from sightline.models.weights.download import Pretrained, fetch_or_skip
from sightline.tasks.semantic.models._network import SegmentationModel

CARD = ModelCard(
    name="unet2015",
    summary="U-Net as published, own code (variants same, valid: mirrored padding, small); every --up.",
    paper="Ronneberger, Fischer, Brox, U-Net, MICCAI 2015",
    parameters=31_033_045,
    counted="same, 21 classes",
    stride=16,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 3e-4},
)

STRIDE = 16
"""Pixels of the image to one of the deepest maps."""
LOST = 92
"""Pixels that unpadded convolutions lose at each side of the image (figure 1: 572 in, 388 out)."""
REST = 4
"""What sides come out of the unpadded network have over multiples of its stride: 388 = 24 * 16 + 4."""


@dataclass(frozen=True)
class UNetVariant:
    """One variant of the network.

    Attributes:
        widths: Channels at each depth.
        padded: Whether convolutions are padded with zeros, rather than the image mirrored outwards.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    padded: bool = True


class Double(nn.Sequential):
    """Two 3x3 convolutions, each with ReLU.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        padded: Whether the map keeps its size, rather than losing two pixels at each side.
    """

    def __init__(self, inputs: int, outputs: int, padded: bool) -> None:
        around = int(padded)
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=around),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=around),
            nn.ReLU(inplace=True),
        )


class Doubled(nn.Module):
    """Upsampling by 2 with half the channels.

    Args:
        inputs: Channels that come in.
        up: nearest, bilinear or transposed.
    """

    def __init__(self, inputs: int, up: str) -> None:
        super().__init__()
        self.up = up
        kind = nn.ConvTranspose2d if up == "transposed" else nn.Conv2d
        self.conv = kind(inputs, inputs // 2, 2, stride=2 if up == "transposed" else 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C / 2, 2 H, 2 W)."""
        if self.up != "transposed":
            x = F.interpolate(x, scale_factor=2, mode=self.up)
            x = F.pad(x, (0, 1, 0, 1), mode="replicate")
        enlarged: Tensor = self.conv(x)
        return enlarged


class UNet(nn.Module):
    """The network itself.

    Without padding, sides of n pixels become n - 184, and n - 12 must be a multiple of 16, n at least 188.

    Args:
        channels: Channels of the images.
        classes: Scores for each pixel.
        widths: Channels at each depth.
        padded: Whether convolutions are padded; sides must be multiples of 16 then, and stay as they are.
        up: nearest, bilinear or transposed.
        dropout: Share of the deepest channels, and of those above, that is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        widths: Sequence[int] = UNetVariant.widths,
        *,
        padded: bool = False,
        up: str = "transposed",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        inputs = [channels, *widths[:-1]]
        self.down = nn.ModuleList(Double(i, o, padded) for i, o in zip(inputs, widths, strict=True))
        self.dropout = nn.Dropout(dropout)
        rising = widths[:0:-1]
        self.doubled = nn.ModuleList(Doubled(w, up) for w in rising)
        self.up = nn.ModuleList(Double(w, w // 2, padded) for w in rising)
        self.scores = nn.Conv2d(widths[0], classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.xavier_normal_(self.scores.weight)  # no ReLU follows

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, K, H, W) scores; to (B, K, H - 184, W - 184) without padding."""
        levels: list[Tensor] = []
        last = len(self.down) - 1
        for depth, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if depth else x)
            if depth >= last - 1:
                x = self.dropout(x)
            levels.append(x)
        for beside, doubled, block in zip(levels[-2::-1], self.doubled, self.up, strict=True):
            x = doubled(x)
            x = block(torch.cat([_center(beside, x), x], 1))
        scores: Tensor = self.scores(x)
        return scores


class UNet2015(SegmentationModel):
    """U-Net on images of any size."""

    card: ClassVar[ModelCard] = CARD
    ups: ClassVar[tuple[str, ...]] = ("bilinear", "nearest", "transposed")
    multiple: int = STRIDE
    variants: ClassVar[Mapping[str, UNetVariant]] = {
        "same": UNetVariant(),
        "valid": UNetVariant(padded=False),
        "small": UNetVariant((16, 32, 64, 128, 256)),
    }

    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """The network with fresh weights: the authors' are for two kinds of cells."""
        variant = self.variants[self.settings["variant"]]
        fetch_or_skip(f"'{CARD.name}'", pretrained, None)
        net = UNet(
            self.settings["channels"],
            len(self.settings["classes"]),
            variant.widths,
            padded=variant.padded,
            up=self.settings["up"],
        )
        self._padded = variant.padded
        self.multiple = STRIDE if variant.padded else 1  # mirroring goes on from the image's own border
        return base.LibraryNetwork(net, "down", still=False)

    def outputs_of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Scores at each pixel; without padding, of the reflected image (figure 2)."""
        if not self._padded:
            pixels = mirrored(pixels)
        return {"logits": self.network.net(pixels)}


def mirrored(pixels: Tensor) -> Tensor:
    """Reflection padding by the margin of the unpadded network.

    Args:
        pixels: (B, C, H, W).

    Returns:
        (B, C, H', W'), from which at least (H, W) come out, the first of them for the first pixel.
    """
    for dim in (2, 3):
        side = pixels.shape[dim]
        more = (REST - side) % STRIDE
        indices = torch.arange(-LOST, side + more + LOST, device=pixels.device)
        turn = max(2 * side - 2, 1)
        indices = indices % turn
        pixels = pixels.index_select(dim, torch.where(indices < side, indices, turn - indices))
    return pixels


def _center(beside: Tensor, x: Tensor) -> Tensor:
    """Center crop of a map to the size of another one."""
    top, left = ((beside.shape[d] - x.shape[d]) // 2 for d in (2, 3))
    return beside[:, :, top : top + x.shape[2], left : left + x.shape[3]]


MODEL = UNet2015
