"""SSD: one-stage detector with default boxes on feature maps of several scales."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import detection as tv
from torchvision.ops import box_iou

from sightline.core.card import ModelCard
from sightline.core.task import DataInfo
from sightline.errors import UsageError
from sightline.models.adapters.torchvision_detection import AnchorGrid, DetectorVariant
from sightline.tasks.detect.models._torchvision import Targets, TorchvisionDetector
from sightline.tasks.detect.options import DetectOptions

CARD = ModelCard(
    name="ssd",
    summary="One-stage detector with default boxes on six scales (torchvision; variants vgg16, mobilenet).",
    paper="Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016; SSDLite: Sandler et al., CVPR 2018",
    parameters=34_305_206,
    counted="vgg16, 80 classes",
    size=(300, 300),
    defaults={"size": 300, "batch_size": 16, "optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4},
    ignores=("nms",),
)


MIN_SIZE = {"vgg16": 268}
"""Pixels a side below which nothing is left for the coarsest map."""


class SSD(TorchvisionDetector):
    """SSD300 on VGG-16, or SSDLite on MobileNetV3. Class 0 of torchvision is the background."""

    card: ClassVar[ModelCard] = CARD
    background: ClassVar[int] = 1
    multiple: ClassVar[int] = 1
    variants: ClassVar[Mapping[str, DetectorVariant]] = {
        "vgg16": DetectorVariant(
            tv.ssd300_vgg16,
            "backbone",
            tv.SSD300_VGG16_Weights.COCO_V1,
            ((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)),
        ),
        "mobilenet": DetectorVariant(
            partial(tv.ssdlite320_mobilenet_v3_large, norm_layer=partial(nn.BatchNorm2d, eps=1e-3)),
            "backbone",
            tv.SSDLite320_MobileNet_V3_Large_Weights.COCO_V1,
            ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ),
    }

    @classmethod
    def settings_for(cls, info: DataInfo, options: DetectOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UsageError: If changes of size from batch to batch can make images too small for the network.
        """
        settings = super().settings_for(info, options)
        least = MIN_SIZE.get(settings["variant"], 0)
        smallest = min(_smallest(side, options.multiscale) for side in info.size)
        if options.multiscale and smallest < least:
            height, width = info.size
            raise UsageError(
                f"--multiscale {options.multiscale:g} makes some images of {height}x{width} as small as "
                f"{smallest} pixels a side, and ssd on {settings['variant']} needs {least}. "
                "Use a smaller --multiscale, a larger --size, or --variant mobilenet."
            )
        return settings

    def scored(self, net: Any, raw: dict[str, Tensor], place: AnchorGrid) -> tuple[Tensor, Tensor]:
        """Section 2.1 of the paper; the background's share is left out."""
        offsets = raw["bbox_regression"]
        anchors = place.anchors.repeat(offsets.shape[0], 1)
        boxes = net.box_coder.decode_single(offsets.flatten(0, 1), anchors).view_as(offsets)
        return boxes, F.softmax(raw["cls_logits"], 2)[:, :, 1:]

    def losses(
        self, net: Any, raw: dict[str, Tensor], targets: Targets, place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Equations 1 to 3 of the paper with hard negative mining: an image without objects adds nothing."""
        matches = [
            net.proposal_matcher(box_iou(t["boxes"], place.anchors))
            if len(t["boxes"])
            else torch.full((len(place.anchors),), -1, device=place.anchors.device)
            for t in targets
        ]
        terms = net.compute_loss(targets, raw, [place.anchors] * len(targets), matches)
        return {"class": terms["classification"], "box": terms["bbox_regression"]}


def _smallest(side: int, multiscale: float) -> int:
    """The shortest that a side can become; sizes that change are multiples of 32."""
    return round(side * (1 - multiscale) / 32) * 32


MODEL = SSD
