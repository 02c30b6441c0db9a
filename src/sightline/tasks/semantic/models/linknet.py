"""LinkNet: encoder-decoder with additive skip connections."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="linknet",
    summary="Encoder-decoder with additive skip connections: small and fast, on any encoder of timm.",
    paper="Chaurasia, Culurciello, LinkNet, VCIP 2017",
    parameters=11_664_437,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class LinkNet(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "Linknet"


MODEL = LinkNet
TOY: dict[str, str] = {}
