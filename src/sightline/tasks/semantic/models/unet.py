"""U-Net: encoder-decoder with skip connections at every stride."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="unet",
    summary="Encoder-decoder with skip connections, on any encoder of timm.",
    paper="Ronneberger, Fischer, Brox, U-Net, MICCAI 2015",
    parameters=14_331_109,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class UNet(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "Unet"
    ups = ("bilinear", "nearest")


MODEL = UNet
TOY: dict[str, str] = {}
