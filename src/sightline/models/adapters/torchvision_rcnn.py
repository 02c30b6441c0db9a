"""Parts of torchvision's two-stage detectors: what proposes boxes, and what looks into each of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.rpn import concat_box_prediction_layers

from sightline.models.adapters.torchvision_detection import Place

Maps = dict[str, Tensor]


def maps_of(raw: dict[str, Tensor]) -> Maps:
    """The feature maps among named outputs, under torchvision's names."""
    return {name.removeprefix("map_"): value for name, value in raw.items() if name.startswith("map_")}


def proposed(net: Any, maps: Maps, place: Place) -> tuple[Any, Tensor, Tensor]:
    """Proposals of each image, and all objectness logits and offsets, image after image."""
    logits, offsets = net.rpn.head(list(maps.values()))
    logits, offsets = (x.float() for x in concat_box_prediction_layers(logits, offsets))
    images = len(next(iter(maps.values())))
    boxes = net.rpn.box_coder.decode(offsets.detach(), [place.anchors] * images)
    boxes = boxes.view(images, -1, 4)
    proposals, _ = net.rpn.filter_proposals(boxes, logits, [place.size] * images, place.counts)
    return proposals, logits, offsets


def judged(net: Any, maps: Maps, boxes: Any, place: Place) -> tuple[Tensor, Tensor]:
    """(P, K + 1) class logits and (P, 4 (K + 1)) offsets of proposals, image after image."""
    pooled = net.roi_heads.box_roi_pool(maps, boxes, [place.size] * len(boxes))
    logits, offsets = net.roi_heads.box_predictor(net.roi_heads.box_head(pooled))
    return logits.float(), offsets.float()


def scored(net: Any, maps: Maps, place: Place) -> tuple[Tensor, Tensor]:
    """(B, P K, 4) boxes and (B, P, K) scores, of each class of each proposal; missing proposals score 0."""
    proposals, _, _ = proposed(net, maps, place)
    logits, offsets = judged(net, maps, proposals, place)
    each = [len(p) for p in proposals]
    boxes: Any = net.roi_heads.box_coder.decode(offsets, proposals)
    boxes = boxes.view(*logits.shape, 4)[:, 1:].split(each)  # flat where there are no proposals
    scores: Any = F.softmax(logits, 1)[:, 1:]
    scores = scores.split(each)
    most = net.rpn.post_nms_top_n()
    return (
        torch.stack([F.pad(b, (0, 0, 0, 0, 0, most - len(b))) for b in boxes]).flatten(1, 2),
        torch.stack([F.pad(s, (0, 0, 0, most - len(s))) for s in scores]),
    )
