"""UPerNet: pyramid pooling on top of a feature pyramid network."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="upernet",
    summary="Pyramid pooling on a feature pyramid network, on any encoder of timm.",
    paper="Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018",
    parameters=19_496_661,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class UPerNet(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "UPerNet"


MODEL = UPerNet
TOY: dict[str, str] = {}
