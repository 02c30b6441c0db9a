"""DeepLabV3: atrous spatial pyramid pooling (ASPP), parallel dilated convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from torchvision.models import segmentation as tv

from sightline.core.card import ModelCard
from sightline.tasks.semantic.models._torchvision import DEFAULTS, SegmenterVariant, TorchvisionSegmenter

CARD = ModelCard(
    name="deeplabv3",
    summary="ASPP, parallel dilated convolutions (torchvision; variants resnet50, resnet101, mobilenet).",
    paper="Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017",
    parameters=42_004_074,
    counted="resnet50, 21 classes",
    stride=32,
    any_sides=True,
    defaults=DEFAULTS,
)


class DeepLabV3(TorchvisionSegmenter):
    """DeepLabV3 with an auxiliary head on an earlier stage."""

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, SegmenterVariant]] = {
        "resnet50": SegmenterVariant(
            partial(tv.deeplabv3_resnet50, aux_loss=True),
            tv.DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1,
        ),
        "resnet101": SegmenterVariant(
            partial(tv.deeplabv3_resnet101, aux_loss=True),
            tv.DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1,
        ),
        "mobilenet": SegmenterVariant(
            partial(tv.deeplabv3_mobilenet_v3_large, aux_loss=True),
            tv.DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1,
        ),
    }


MODEL = DeepLabV3
