"""FCN: a fully convolutional classifier whose coarse scores are upsampled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from torch import nn
from torchvision.models import resnet18
from torchvision.models import segmentation as tv
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.fcn import FCNHead

from sightline.core.card import ModelCard
from sightline.tasks.semantic.models._torchvision import DEFAULTS, SegmenterVariant, TorchvisionSegmenter

CARD = ModelCard(
    name="fcn",
    summary="Fully convolutional network (torchvision; variants resnet50, resnet101, resnet18).",
    paper="Long, Shelhamer, Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
    parameters=35_322_218,
    counted="resnet50, 21 classes",
    stride=32,
    any_sides=True,
    defaults=DEFAULTS,
)


def _small(*, num_classes: int, **no_weights: None) -> nn.Module:
    """On ResNet-18 at stride 32, without dilation: for small machines."""
    body = IntermediateLayerGetter(resnet18(weights=None), {"layer3": "aux", "layer4": "out"})
    net: nn.Module = tv.FCN(body, FCNHead(512, num_classes), FCNHead(256, num_classes))
    return net


class FCN(TorchvisionSegmenter):
    """FCN with an auxiliary head on the last but one stage."""

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, SegmenterVariant]] = {
        "resnet50": SegmenterVariant(
            partial(tv.fcn_resnet50, aux_loss=True), tv.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1
        ),
        "resnet101": SegmenterVariant(
            partial(tv.fcn_resnet101, aux_loss=True), tv.FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1
        ),
        "resnet18": SegmenterVariant(_small),
    }


MODEL = FCN
