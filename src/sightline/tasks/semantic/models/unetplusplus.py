"""U-Net++: nested U-Nets of all depths that share an encoder."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="unetplusplus",
    summary="U-Net with nested dense paths between encoder and decoder, on any encoder of timm.",
    paper="Zhou et al., UNet++: A Nested U-Net Architecture, DLMIA 2018",
    parameters=15_973_349,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class UNetPlusPlus(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "UnetPlusPlus"
    ups = ("bilinear", "nearest")


MODEL = UNetPlusPlus
TOY: dict[str, str] = {}
