"""Semantic FPN: a feature pyramid network, read at stride 4."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="fpn",
    summary="Feature pyramid network: levels are resized and added, on any encoder of timm.",
    paper="Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019; Lin et al., FPN, CVPR 2017",
    parameters=13_049_813,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class FPN(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "FPN"
    ups = ("bilinear", "nearest")


MODEL = FPN
TOY: dict[str, str] = {}
