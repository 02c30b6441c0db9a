"""CSP backbone for dense tasks: a stem and three cross-stage partial stages, maps at strides 8, 16, 32."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone
from sightline.models.layers.conv import ConvNorm
from sightline.models.layers.csp import Context, Csp

CARD = ModelCard(
    name="csp",
    summary="Cross-stage partial network in four sizes; the backbone of our own detectors.",
    paper="Wang et al., CSPNet, CVPR Workshops 2020; He et al., Spatial pyramid pooling, ECCV 2014",
    parameters=1_159_978,
    counted="10 classes, 3x224x224, scale n",
    defaults={"lr": 2e-3, "weight_decay": 0.05},
)

WIDTHS = {
    "n": (32, 64, 128, 256),
    "s": (64, 128, 256, 512),
    "m": (96, 192, 384, 576),
    "l": (128, 256, 512, 640),
}
"""Channels at strides 4, 8, 16 and 32."""
DEPTHS = {"n": (1, 2, 1), "s": (1, 2, 1), "m": (2, 4, 2), "l": (3, 6, 3)}
"""Residual units at strides 8, 16 and 32."""

Scale = Literal["n", "s", "m", "l"]


class CspNet(Backbone):
    """CSP backbone: a stem of stride 4, and three stages of stride 2.

    The stem is one wide-stepped convolution: on a processor, two steps with a map of half the image's
    size between them cost as much as a whole stage.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        widths: Channels at strides 4, 8, 16 and 32.
        depths: Residual units of the three stages.
    """

    def __init__(self, outputs: int, channels: int, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, widths[0], 7, 4)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNorm(before, after, 3, 2), Csp(after, after, depth))
            for before, after, depth in zip(widths, widths[1:], depths, strict=False)
        )
        self.context = Context(widths[-1])
        self.head = nn.Linear(widths[-1], outputs)
        self.levels = tuple(zip(widths[1:], (8, 16, 32), strict=True))

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to the maps at strides 8, 16 and 32."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.context(x)
        return maps

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): global average pooling of the last feature map."""
        return self.maps(x)[-1].mean((2, 3))


def build(*, outputs: int, channels: int, size: tuple[int, int], scale: Scale = "n") -> Backbone:
    """The network for images of any size.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width); the network is the same for all.
        scale: How large the network is: n, s, m or l.
    """
    del size
    return CspNet(outputs, channels, WIDTHS[scale], DEPTHS[scale])
