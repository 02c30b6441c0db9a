"""LR-ASPP: the head of MobileNetV3, for small and fast networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torchvision.models import segmentation as tv

from sightline.core.card import ModelCard
from sightline.tasks.semantic.models._torchvision import DEFAULTS, SegmenterVariant, TorchvisionSegmenter

CARD = ModelCard(
    name="lraspp",
    summary="Light head on MobileNetV3-Large: small and fast (torchvision).",
    paper="Howard et al., Searching for MobileNetV3, ICCV 2019, section 6.4",
    parameters=3_221_538,
    counted="mobilenet, 21 classes",
    stride=32,
    any_sides=True,
    defaults=DEFAULTS,
)


class LRASPP(TorchvisionSegmenter):
    """LR-ASPP."""

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, SegmenterVariant]] = {
        "mobilenet": SegmenterVariant(
            tv.lraspp_mobilenet_v3_large, tv.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1
        )
    }


MODEL = LRASPP
