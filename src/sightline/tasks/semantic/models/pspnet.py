"""PSPNet: pyramid pooling, context as means over regions of the image."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="pspnet",
    summary="Pyramid pooling: means over regions of four sizes, on any encoder of timm; fast.",
    paper="Zhao et al., Pyramid Scene Parsing Network, CVPR 2017",
    parameters=928_565,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class PSPNet(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "PSPNet"


MODEL = PSPNet
TOY: dict[str, str] = {}
