"""FCOS: anchor-free one-stage detector; every position predicts the distances to the sides of its object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import detection as tv

from sightline.core.card import ModelCard
from sightline.models.adapters.torchvision_detection import AnchorGrid, DetectorVariant, small
from sightline.tasks.detect.models._torchvision import Targets, TorchvisionDetector

CARD = ModelCard(
    name="fcos",
    summary="Anchor-free, one stage: distances to the box sides (torchvision; variants resnet50, resnet18).",
    paper="Tian, Shen, Chen, He, FCOS: Fully Convolutional One-Stage Object Detection, ICCV 2019",
    parameters=32_297_365,
    counted="resnet50, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "optimizer": "sgd", "lr": 0.005, "weight_decay": 1e-4},
    ignores=("nms",),
)


def _small(*, num_classes: int, **no_weights: None) -> nn.Module:
    """On ResNet-18."""
    net: nn.Module = tv.FCOS(small(dense=True), num_classes)
    return net


class FCOS(TorchvisionDetector):
    """FCOS. Its anchors are squares as large as the stride; only their centers count."""

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, DetectorVariant]] = {
        "resnet50": DetectorVariant(tv.fcos_resnet50_fpn, weights=tv.FCOS_ResNet50_FPN_Weights.COCO_V1),
        "resnet18": DetectorVariant(_small),
    }

    def scored(self, net: Any, raw: dict[str, Tensor], place: AnchorGrid) -> tuple[Tensor, Tensor]:
        """The score is the geometric mean of class and centre-ness, as in the authors' code."""
        boxes = net.box_coder.decode(raw["bbox_regression"], place.anchors)
        return boxes, (raw["cls_logits"].sigmoid() * raw["bbox_ctrness"].sigmoid()).sqrt()

    def losses(
        self, net: Any, raw: dict[str, Tensor], targets: Targets, place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Equation 2 of the paper, with the centre-ness of equation 3."""
        terms = net.compute_loss(targets, raw, [place.anchors] * len(targets), place.counts)
        return {
            "class": terms["classification"],
            "box": terms["bbox_regression"],
            "center": terms["bbox_ctrness"],
        }


MODEL = FCOS
