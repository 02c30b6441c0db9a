"""Mask R-CNN: two-stage instance segmentation, Faster R-CNN with a mask head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import detection as tv
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import fastrcnn_loss

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo
from sightline.losses import distillation
from sightline.models.adapters.base import padded, seeded
from sightline.models.adapters.torchvision_detection import (
    MAX_CANDIDATES,
    MULTIPLE,
    NARROW,
    NMS,
    AnchorGrid,
    DetectorVariant,
    anchors_for,
    network,
    small,
)
from sightline.models.adapters.torchvision_rcnn import (
    classify_proposals,
    concatenate_boxes,
    listed,
    maps_of,
    pooled,
    proposed,
    score_proposals,
    used_proposals,
)
from sightline.models.detection import postprocess as candidates
from sightline.models.detection.suppression import final
from sightline.models.weights.download import Pretrained
from sightline.tasks.instance._crops import cells, pasted
from sightline.tasks.instance.options import InstanceOptions

CARD = ModelCard(
    name="mask-rcnn",
    summary="Two stages: Faster R-CNN with a mask head (torchvision; variants resnet50, resnet18).",
    paper="He, Gkioxari, Dollár, Girshick, Mask R-CNN, ICCV 2017; FPN: Lin et al., CVPR 2017",
    parameters=46_305_589,
    counted="resnet50, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "optimizer": "sgd", "lr": 0.01, "weight_decay": 1e-4},
    ignores=("nms",),
)

OBJECTS = ("boxes", "scores", "labels")
"""What is said of an object, beside its mask."""


def _small(*, num_classes: int, **no_weights: None) -> nn.Module:
    """On ResNet-18, with fewer proposals and narrower heads."""
    net: nn.Module = tv.MaskRCNN(
        small(dense=False),
        rpn_post_nms_top_n_train=500,
        rpn_post_nms_top_n_test=300,
        box_head=TwoMLPHead(NARROW * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes),
        box_batch_size_per_image=128,
        mask_head=MaskRCNNHeads(NARROW, (NARROW,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(NARROW, NARROW, num_classes),
    )
    return net


class MaskRCNN(Model):
    """Mask R-CNN with a feature pyramid. Class 0 of torchvision is the background.

    Args:
        settings: See `settings_for`; `variant` names the network it is built on.
        pretrained: no, auto or yes.
    """

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, DetectorVariant]] = {
        "resnet50": DetectorVariant(
            tv.maskrcnn_resnet50_fpn_v2, weights=tv.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1
        ),
        "resnet18": DetectorVariant(_small),
    }

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.network = network(self.card.name, self.variants, settings, pretrained)
        self._places: dict[tuple[int, int], AnchorGrid] = {}
        self.place(torch.zeros(1, settings["channels"], *settings["size"]))

    def place(self, images: Tensor) -> AnchorGrid:
        """Anchor boxes for images of this size.

        Raises:
            UsageError: If they are too small for the network.
        """
        size = (images.shape[2], images.shape[3])
        anchors = self._places.get(size)
        if anchors is None or anchors.anchors.device != images.device:
            anchors = self._places[size] = anchors_for(self.network.net, self.card.name, images)
        return anchors

    @classmethod
    def settings_for(cls, info: DataInfo, options: InstanceOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return candidates.settings_for(info, options, cls.card, next(iter(cls.variants)), NMS)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Detections of (B, C, H, W) images, Q = `max_objects` of each; padding has score 0.

        Returns:
            "boxes" (B, Q, 4) in their pixels, "scores" (B, Q), "labels" (B, Q), and "masks" (B, Q, 28, 28):
            how sure it is, in [0, 1], that a part of the box is the object. What the loss is computed from
            comes with them, but is left out of an exported model.
        """
        raw = self.raw(images)
        candidates = self.found(raw, self.place(images))
        return candidates if torch.compiler.is_exporting() else {**raw, **candidates}

    def raw(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps in float32: scores, masks and losses are computed from them."""
        net: Any = self.network.net
        maps = net.backbone(padded(self.normalize(images), MULTIPLE))
        return {f"map_{name}": value.float() for name, value in maps.items()}

    def found(self, raw: dict[str, Tensor], place: AnchorGrid) -> dict[str, Tensor]:
        """Boxes after NMS, and their masks."""
        net, maps = self.network.net, maps_of(raw)
        boxes, scores = score_proposals(net, maps, place)
        best = candidates.best(boxes, scores, [scores.shape[1]], MAX_CANDIDATES)
        padded = final(best, {**self.settings, "size": place.size})
        image, row = used_proposals(padded["scores"] > 0)
        logits = _masked(net, maps, padded["boxes"][image, row], image, place)
        own_masks = padded["labels"][image, row, None, None, None] + 1
        grids = logits.gather(1, own_masks.expand(-1, -1, *logits.shape[2:]))[:, 0].sigmoid()
        masks = grids.new_zeros(*padded["scores"].shape, *grids.shape[1:])
        masks[image, row] = grids * (padded["scores"][image, row, None, None] > 0)
        return {**{name: padded[name] for name in OBJECTS}, "masks": masks}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The detections, without the inputs of the loss; "count" (B,): how many rows are objects."""
        answers = {name: outputs[name] for name in (*OBJECTS, "masks")}
        return {**answers, "count": (answers["scores"] > 0).sum(1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> InstanceMasks:
        """Objects with their masks; those with an empty mask are dropped."""
        detections, row = candidates.select(answer, settings)
        masks = pasted(answer["masks"][detections.image, row], detections.boxes, settings["size"])
        areas = masks.areas().to(detections.boxes.device)
        outlines = InstanceMasks(
            detections.counts, detections.sizes, detections.boxes, detections.labels, detections.scores,
            areas, masks=masks,
        )  # fmt: skip
        return candidates.rescale_scores(outlines.select(areas > 0), settings.get("cuts"))

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, and its terms by name}. The same in training and in evaluation mode."""
        raw = self.raw(batch.images) if outputs is None else outputs
        with seeded(rng):
            terms = self.losses(maps_of(raw), _truths(batch.targets), self.place(batch.images))
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def losses(
        self, maps: dict[str, Tensor], targets: list[dict[str, Any]], place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Section 3 of the paper: the terms of Faster R-CNN, and the mask loss."""
        net: Any = self.network.net
        rpn, heads = net.rpn, net.roi_heads
        proposals_given, counts_given, logits, offsets = proposed(net, maps, place)
        anchors = [place.anchors] * len(targets)
        labels, goals = rpn.assign_targets_to_anchors(anchors, targets)
        objectness, shift = rpn.compute_loss(logits, offsets, labels, rpn.box_coder.encode(goals, anchors))
        proposals, matched, labels, goals = heads.select_training_samples(
            listed(proposals_given, counts_given), targets
        )
        kind, box = fastrcnn_loss(
            *classify_proposals(net, maps, *concatenate_boxes(proposals), place), labels, goals
        )
        real = [labels_of_image > 0 for labels_of_image in labels]
        boxes = [p[r] for p, r in zip(proposals, real, strict=True)]
        mask_logits = _masked(net, maps, *concatenate_boxes(boxes), place)
        masks = [t["masks"][m[r]] for t, m, r in zip(targets, matched, real, strict=True)]
        kinds = torch.cat([labels_of_image[r] for labels_of_image, r in zip(labels, real, strict=True)])
        mask = _mask_loss(mask_logits, kinds, [cells(m, b) for m, b in zip(masks, boxes, strict=True)])
        return {"objectness": objectness, "proposal": shift, "class": kind, "box": box, "mask": mask}

    distillation_loss = distillation.unordered

    def backbone(self) -> nn.Module:
        """The whole detector; `--freeze` freezes its body."""
        return self.network


def _truths(targets: Instances) -> list[dict[str, Any]]:
    """Boxes, labels and masks of the learnable objects of each image."""
    target = candidates.learnable(replace(targets, boxes=targets.boxes.float(), labels=targets.labels + 1))
    each = (target[i] for i in range(len(target)))
    return [
        {"boxes": targets_of_image.boxes, "labels": targets_of_image.labels, "masks": targets_of_image.masks}
        for targets_of_image in each
    ]


def _masked(net: Any, maps: dict[str, Tensor], boxes: Tensor, image: Tensor, place: AnchorGrid) -> Tensor:
    """(R, K + 1, 28, 28) mask logits of (R, 4) boxes."""
    heads = net.roi_heads
    parts = pooled(heads.mask_roi_pool, maps, boxes, image, place.size)
    logits: Tensor = heads.mask_predictor(heads.mask_head(parts))
    return logits.float()


def _mask_loss(logits: Tensor, kinds: Tensor, goals: list[Tensor]) -> Tensor:
    """Binary cross-entropy of the masks of the true classes.

    The goals are exact shares of the cells. torchvision samples them half a pixel off (roi_align without
    `aligned`), which shows in objects of a few pixels.
    """
    if not len(logits):
        return logits.sum() * 0
    own_logits = logits[torch.arange(len(logits), device=logits.device), kinds]
    return F.binary_cross_entropy_with_logits(own_logits, torch.cat(goals))


MODEL = MaskRCNN
