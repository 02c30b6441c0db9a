"""Faster R-CNN: two-stage detector, region proposals and classification of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import detection as tv
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import fastrcnn_loss

from sightline.core.card import ModelCard
from sightline.models.adapters.torchvision_detection import (
    MAX_CANDIDATES,
    NARROW,
    AnchorGrid,
    DetectorVariant,
    small,
)
from sightline.models.adapters.torchvision_rcnn import (
    classify_proposals,
    concatenate_boxes,
    listed,
    maps_of,
    proposed,
    score_proposals,
)
from sightline.models.detection import postprocess
from sightline.tasks.detect.models._torchvision import Targets, TorchvisionDetector

CARD = ModelCard(
    name="faster-rcnn",
    summary="Two-stage detector: proposals and a box head (torchvision; variants resnet50, resnet18).",
    paper="Ren, He, Girshick, Sun, Faster R-CNN, NeurIPS 2015; FPN: Lin et al., CVPR 2017",
    parameters=43_661_028,
    counted="resnet50, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "optimizer": "sgd", "lr": 0.01, "weight_decay": 1e-4},
    ignores=("nms",),
)


def _small(*, num_classes: int, **no_weights: None) -> nn.Module:
    """On ResNet-18, with fewer proposals and a narrower head."""
    net: nn.Module = tv.FasterRCNN(
        small(dense=False),
        rpn_post_nms_top_n_train=500,
        rpn_post_nms_top_n_test=300,
        box_head=TwoMLPHead(NARROW * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes),
        box_batch_size_per_image=128,
    )
    return net


class FasterRCNN(TorchvisionDetector):
    """Faster R-CNN with a feature pyramid. Class 0 of torchvision is the background."""

    card: ClassVar[ModelCard] = CARD
    background: ClassVar[int] = 1
    variants: ClassVar[Mapping[str, DetectorVariant]] = {
        "resnet50": DetectorVariant(
            tv.fasterrcnn_resnet50_fpn_v2, weights=tv.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
        ),
        "resnet18": DetectorVariant(_small),
    }

    def outputs_of(self, net: Any, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """The feature maps: scores and losses are computed from them."""
        return {f"map_{name}": value for name, value in maps.items()}

    def scored(self, net: Any, raw: dict[str, Tensor], place: AnchorGrid) -> tuple[Tensor, Tensor]:
        """A box and a score for each class of each proposal; missing proposals score 0."""
        return score_proposals(net, maps_of(raw), place)

    def candidates(self, raw: dict[str, Tensor], place: AnchorGrid) -> dict[str, Tensor]:
        """The best boxes of all proposals."""
        boxes, scores = self.scored(self.network.net, raw, place)
        return postprocess.best(boxes, scores, [scores.shape[1]], MAX_CANDIDATES)

    def losses(
        self, net: Any, raw: dict[str, Tensor], targets: Targets, place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Equations 1 and 2 of the paper, for the proposals and for the final boxes."""
        maps, rpn, heads = maps_of(raw), net.rpn, net.roi_heads
        boxes, real, logits, offsets = proposed(net, maps, place)
        anchors = [place.anchors] * len(targets)
        labels, goals = rpn.assign_targets_to_anchors(anchors, targets)
        objectness, shift = rpn.compute_loss(logits, offsets, labels, rpn.box_coder.encode(goals, anchors))
        proposals, _, labels, goals = heads.select_training_samples(listed(boxes, real), targets)
        kind, box = fastrcnn_loss(
            *classify_proposals(net, maps, *concatenate_boxes(proposals), place), labels, goals
        )
        return {"objectness": objectness, "proposal": shift, "class": kind, "box": box}


MODEL = FasterRCNN
