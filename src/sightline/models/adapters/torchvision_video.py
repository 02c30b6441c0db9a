"""torchvision's networks of clips as backbones: what they are before their classifier, and a head of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import video

from sightline.errors import UnknownName, UsageError
from sightline.models.adapters.base import see
from sightline.models.backbones._backbone import Backbone, _unrolled


@dataclass(frozen=True)
class VideoVariant:
    """One network of clips.

    Attributes:
        build: torchvision's function.
        frames: Frames of the clips that it was made for.
        side: Height and width of their frames.
        head: Name of the classifier within it.
    """

    build: Callable[..., nn.Module]
    frames: int
    side: int
    head: str


VARIANTS: Mapping[str, VideoVariant] = {
    "mc3_18": VideoVariant(video.mc3_18, 16, 112, "fc"),
    "r3d_18": VideoVariant(video.r3d_18, 16, 112, "fc"),
    "r2plus1d_18": VideoVariant(video.r2plus1d_18, 16, 112, "fc"),
    "s3d": VideoVariant(video.s3d, 16, 224, "classifier"),
    "mvit_v1_b": VideoVariant(video.mvit_v1_b, 16, 224, "head"),
    "mvit_v2_s": VideoVariant(video.mvit_v2_s, 16, 224, "head"),
    "swin3d_t": VideoVariant(video.swin3d_t, 16, 224, "head"),
    "swin3d_s": VideoVariant(video.swin3d_s, 16, 224, "head"),
    "swin3d_b": VideoVariant(video.swin3d_b, 16, 224, "head"),
}
"""By torchvision's names, the smallest first."""


class VideoBackbone(Backbone):
    """A network of torchvision whose classifier was taken out; a linear layer is the head.

    Args:
        name: One of `VARIANTS`.
        outputs: Numbers that come out.
        channels: Channels of the frames.

    Raises:
        UnknownName: If there is no such network; suggests the nearest.
    """

    def __init__(self, name: str, outputs: int, channels: int) -> None:
        super().__init__()
        if name not in VARIANTS:
            raise UnknownName("variant of model 'torchvision'", name, VARIANTS)
        variant = VARIANTS[name]
        net: Any = variant.build(weights=None)
        classifier = getattr(net, variant.head)
        width = next(m.weight.shape[1] for m in classifier.modules() if isinstance(m, nn.Linear | nn.Conv3d))
        setattr(net, variant.head, nn.Identity())
        if channels != 3:
            see(net, channels)
        self.net = net
        self.head = nn.Linear(width, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) normalized clips to (B, D)."""
        features: Tensor = self.net(x)
        return features

    def blocks(self) -> list[nn.Module]:
        """Modules with weights, in torchvision's order."""
        return [b for m in self.net.children() for b in _unrolled(m)]


def require_size(name: str, channels: int, frames: int, size: tuple[int, int]) -> None:
    """Refuse clips that a network cannot take, by shape inference on the meta device.

    Args:
        name: One of `VARIANTS`.
        channels: Channels of the frames.
        frames: Of a clip.
        size: Their height and width.

    Raises:
        UnknownName: If there is no such network; suggests the nearest.
        UsageError: If it cannot take them; names clips that it takes.
    """
    with torch.device("meta"), torch.no_grad():
        network = VideoBackbone(name, 1, channels).eval()
        try:
            network(torch.zeros(1, channels, frames, *size))
        except (RuntimeError, ValueError, AssertionError) as error:
            variant, reason = VARIANTS[name], str(error).splitlines()[0]
            raise UsageError(
                f"torchvision's {name} cannot take clips of {frames} frames of "
                f"{size[0]}x{size[1]} ({reason}). It was made for --frames {variant.frames} "
                f"--size {variant.side}; r3d_18, mc3_18, r2plus1d_18 and swin3d_t take any."
            ) from error
