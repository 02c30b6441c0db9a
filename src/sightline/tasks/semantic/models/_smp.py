"""segmentation-models-pytorch: its decoders on any encoder of timm.

It never downloads weights of encoders itself. Our timm module loads them, announced and from a known file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from torch import nn

from sightline.errors import UsageError
from sightline.models import registry
from sightline.models.adapters import base
from sightline.models.backbones import BACKBONES
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights import sources
from sightline.models.weights.download import Pretrained, fetch_or_skip
from sightline.tasks.semantic.models._network import SegmentationModel, try_out

DEFAULTS = {"batch_size": 8, "lr": 5e-4}
"""Recipe of all of them, where ours differs."""
TUNED = {"freeze": "all-but-13", "layer_decay": 0.9, "freeze_bn": True}
"""Recipe where installed weights of the encoder are tuned, where it differs from `DEFAULTS`.

The five blocks up to stride 4 see edges and colors, as any network does, and stay as they are (Girshick, Fast
R-CNN, ICCV 2015, section 4.5): their maps are the largest, and half of the time goes into their gradients.
"""
COUNTED = "resnet18, 21 classes"
BODY = "encoder.model"


class EncoderDecoder(SegmentationModel):
    """A decoder on an encoder; subclasses name it."""

    own: ClassVar[str | None] = "resnet18"
    architecture: ClassVar[str]
    """The library's class."""
    more: ClassVar[Mapping[str, Any]] = {}
    """Further settings of it."""

    @classmethod
    def check_backbone(cls, name: str) -> None:
        """The backbone must be one of timm: the decoders need maps at strides 2 and 4, which our backbones
        lack.
        """
        registry.card(name)
        if name in BACKBONES:
            raise UsageError(
                f"Model '{cls.card.name}' takes a network of timm as --backbone, such as {cls.own}. "
                f"Received our own '{name}', which has no maps at strides 2 to 32."
            )

    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """The library's network, with weights of the encoder if requested."""
        name, channels = self.settings["backbone"], self.settings["channels"]
        size: tuple[int, int] = tuple(self.settings["size"])  # type: ignore[assignment]
        net = self._net(name, channels)
        if name != self.own:
            try_out(net, channels, size, f"Model '{self.card.name}' on backbone '{name}'")
        network = base.LibraryNetwork(net, BODY, still=False)
        fetch = partial(_filled, network.body, name, channels, size)
        here = "" if pretrained == "no" else sources.here(name)
        says = {"saying": sources.saying(name), "lost": sources.lost(name)}
        weights = fetch_or_skip(f"'{name}'", pretrained, fetch, partial(_without, name), here, **says)
        if weights is not None:
            network.origin, network.pixels = weights.origin, weights.pixels
        return network

    def _net(self, name: str, channels: int) -> nn.Module:
        """The network with fresh weights.

        Raises:
            UsageError: If the encoder has not the maps that the decoder wants.
        """
        import segmentation_models_pytorch as smp  # slow to import

        kind = getattr(smp, self.architecture)
        interpolation = {"decoder_interpolation": self.settings["up"]} if len(self.ups) > 1 else {}
        try:
            net: nn.Module = kind(
                f"tu-{name}",
                encoder_weights=None,
                in_channels=channels,
                classes=len(self.settings["classes"]),
                **interpolation,
                **self.more,
            )
        except (RuntimeError, AssertionError, ValueError, TypeError, KeyError, IndexError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"Model '{self.card.name}' cannot be built on backbone '{name}' ({first}). "
                f"Most convolutional networks of timm do; {self.own} is the usual one."
            ) from error
        return net


def _filled(body: nn.Module, name: str, channels: int, size: tuple[int, int]) -> Backbone:
    """Load installed or published weights into an encoder; returns the network that they came with."""
    from sightline.models.backbones import _timm  # slow to import

    info: Any = body.feature_info
    # Where strides were traded for dilation, timm's own network has the same layers at the usual strides.
    first = info.reduction()[0]
    strides = tuple(first * 2**i for i in range(len(info.reduction())))
    pyramid = _timm.pyramid(name, channels=channels, size=size, strides=strides, pretrained=True)
    body.load_state_dict(pyramid.net.state_dict())
    return pyramid


def _without(name: str) -> str:
    """Reason for not trying to get published weights, or ""."""
    from sightline.models.backbones import _timm

    return "" if _timm.published(name) else "timm lists none"
