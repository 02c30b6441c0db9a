"""RetinaNet: one-stage detector with anchors; the focal loss balances the many negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import detection as tv

from sightline.core.card import ModelCard
from sightline.models.adapters.torchvision_detection import AnchorGrid, DetectorVariant, small
from sightline.tasks.detect.models._torchvision import Targets, TorchvisionDetector

CARD = ModelCard(
    name="retinanet",
    summary="One-stage detector with anchors and focal loss (torchvision; variants resnet50, resnet18).",
    paper="Lin, Goyal, Girshick, He, Dollár, Focal Loss for Dense Object Detection, ICCV 2017",
    parameters=37_970_740,
    counted="resnet50, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "optimizer": "adamw", "lr": 1e-4, "weight_decay": 0.05},
    ignores=("nms",),
)


def _small(*, num_classes: int, **no_weights: None) -> nn.Module:
    """On ResNet-18."""
    net: nn.Module = tv.RetinaNet(small(dense=True), num_classes)
    return net


class RetinaNet(TorchvisionDetector):
    """RetinaNet."""

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, DetectorVariant]] = {
        "resnet50": DetectorVariant(
            tv.retinanet_resnet50_fpn_v2, weights=tv.RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1
        ),
        "resnet18": DetectorVariant(_small),
    }

    def scored(self, net: Any, raw: dict[str, Tensor], place: AnchorGrid) -> tuple[Tensor, Tensor]:
        """Section 4 of the paper, "Inference"."""
        offsets = raw["bbox_regression"]
        anchors = place.anchors.repeat(offsets.shape[0], 1)
        boxes = net.box_coder.decode_single(offsets.flatten(0, 1), anchors).view_as(offsets)
        return boxes, raw["cls_logits"].sigmoid()

    def losses(
        self, net: Any, raw: dict[str, Tensor], targets: Targets, place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Focal loss (equation 5) and box regression loss."""
        terms = net.compute_loss(targets, raw, [place.anchors] * len(targets))
        return {"class": terms["classification"], "box": terms["bbox_regression"]}


MODEL = RetinaNet
