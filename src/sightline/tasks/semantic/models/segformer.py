"""SegFormer's light decoder on any encoder; the method with its own encoder is segformer-hf."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="segformer",
    summary="SegFormer's decoder: 1x1 convolutions over four levels, on any encoder of timm.",
    paper="Xie et al., SegFormer, NeurIPS 2021",
    parameters=11_773_525,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class SegFormer(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "Segformer"


MODEL = SegFormer
TOY: dict[str, str] = {}
