"""DeepLabV3+: ASPP and a light decoder for sharp borders."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="deeplabv3plus",
    summary="ASPP, parallel dilated convolutions, with a light decoder, on any encoder of timm.",
    paper="Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018",
    parameters=12_334_437,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class DeepLabV3Plus(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "DeepLabV3Plus"


MODEL = DeepLabV3Plus
TOY: dict[str, str] = {}
