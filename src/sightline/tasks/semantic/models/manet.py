"""MA-Net: U-Net with attention."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp

CARD = ModelCard(
    name="manet",
    summary="U-Net with spatial and channel attention, on any encoder of timm.",
    paper="Fan et al., MA-Net: A Multi-Scale Attention Network for ... Segmentation, IEEE Access 2020",
    parameters=21_678_373,
    counted=_smp.COUNTED,
    stride=32,
    defaults=_smp.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=_smp.TUNED,
)


class MANet(_smp.Segmenter):
    """The network of this decoder."""

    card = CARD
    architecture = "MAnet"
    ups = ("bilinear", "nearest")


MODEL = MANet
TOY: dict[str, str] = {}
