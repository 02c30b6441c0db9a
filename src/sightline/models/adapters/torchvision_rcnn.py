"""Two-stage detectors of torchvision: region proposal network (RPN), RoI pooling and box head, in batches.

The arithmetic is that of torchvision, for all images at once and without branches that depend on the data.
So it can be exported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, roi_align

from sightline.models.adapters.torchvision_detection import MULTIPLE, AnchorGrid
from sightline.models.detection.suppression import keep_mask

Maps = dict[str, Tensor]

ODDS = 80.0
"""Greatest logit that proposals are told apart by: its exponential is still a number of 32 bits."""
SAME_BOX_PX = 1e-6
"""What the level of a box is moved by before it is rounded down: a box of just the size of one is of that."""


def maps_of(raw: dict[str, Tensor]) -> Maps:
    """Select the feature maps from named outputs, under torchvision's names."""
    return {name.removeprefix("map_"): value for name, value in raw.items() if name.startswith("map_")}


def proposed(net: Any, maps: Maps, place: AnchorGrid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the region proposal network: P proposals for each of B images, and the raw RPN outputs.

    Returns:
        (B, P, 4) boxes, best first; (B, P) which are real, the rest being padding; and (B A, 1) objectness
        logits and (B A, 4) offsets of all anchors, image after image.
    """
    logits, offsets = net.rpn.head(list(maps.values()))
    logits, offsets = (x.float() for x in concat_box_prediction_layers(logits, offsets))
    images = next(iter(maps.values())).shape[0]
    boxes = net.rpn.box_coder.decode_single(offsets.detach(), place.anchors.repeat(images, 1))
    proposals, real = _best(net.rpn, boxes.view(images, -1, 4), logits.detach().view(images, -1), place)
    return proposals, real, logits, offsets


def _best(rpn: Any, boxes: Tensor, logits: Tensor, place: AnchorGrid) -> tuple[Tensor, Tensor]:
    """Best boxes of each level after NMS, like torchvision's `filter_proposals`."""
    most, parts, start = rpn.pre_nms_top_n(), [], 0
    for count in place.counts:
        parts.append(logits[:, start : start + count].topk(min(most, count), 1).indices + start)
        start += count
    index = torch.cat(parts, 1)
    levels = torch.cat([torch.full_like(part, i) for i, part in enumerate(parts)], 1)
    logits = logits.gather(1, index)
    boxes = clip_boxes_to_image(boxes.gather(1, index[..., None].expand(-1, -1, 4)), place.size)
    large = ((boxes[..., 2:] - boxes[..., :2]) >= rpn.min_size).all(-1)
    valid = large & (logits.sigmoid() >= rpn.score_thresh)
    # Ranked by odds: chances near 1 are rounded to the same number, and then each runtime has its own order.
    # What is there has more than 0, which is what `keep_mask` and padding tell it by.
    odds = torch.where(valid, logits.clamp(-ODDS, ODDS).exp(), 0.0)
    stay = keep_mask(boxes, odds, levels, len(parts), 0.0, float(rpn.nms_thresh))
    best, row = (odds * stay).topk(min(rpn.post_nms_top_n(), index.shape[1]), 1)
    return boxes.gather(1, row[..., None].expand(-1, -1, 4)), best > 0


def listed(boxes: Tensor, real: Tensor) -> list[Tensor]:
    """Split (B, P, 4) padded boxes into a list with the real boxes of each image, (P', 4) each."""
    return [b[r] for b, r in zip(boxes, real, strict=True)]


def concatenate_boxes(boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Concatenate a list of boxes: (R, 4) boxes, and (R,) int64 image of each."""
    image = [
        torch.full((len(boxes_of_image),), i, device=boxes_of_image.device)
        for i, boxes_of_image in enumerate(boxes)
    ]
    return torch.cat(list(boxes)), torch.cat(image)


def used_proposals(real: Tensor) -> tuple[Tensor, Tensor]:
    """(image, row) indices of proposals that get pooled: all real ones of (B, P), and the first of each
    image.

    Several runtimes stumble over layers that are given nothing at all.
    """
    image, row = (real | (torch.arange(real.shape[1], device=real.device) == 0)).nonzero().unbind(1)
    torch._check(image.shape[0] >= 1)  # which torch.export cannot see
    return image, row


def pooled(pool: Any, maps: Maps, boxes: Tensor, image: Tensor, size: tuple[int, int]) -> Tensor:
    """Multi-scale RoIAlign: (R, C, S, S) features of boxes; the size of a box chooses its level.

    Source: Lin et al., Feature Pyramid Networks, CVPR 2017, equation 1; as torchvision's MultiScaleRoIAlign.

    Args:
        pool: A MultiScaleRoIAlign.
        maps: Of B images.
        boxes: (R, 4) in pixels of the images.
        image: (R,) which image each of them is of.
        size: Height and width of the images.
    """
    levels = [maps[name] for name in pool.featmap_names if name in maps]
    height = math.ceil(size[0] / MULTIPLE) * MULTIPLE  # of the image as the network saw it
    strides = [height // level_map.shape[2] for level_map in levels]
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
    level = torch.zeros_like(image)
    for stride in strides[1:]:  # without a logarithm, which each runtime rounds in its own way
        least = pool.canonical_scale * stride / 2**pool.canonical_level
        level += sides >= least * 2**-SAME_BOX_PX
    rois = torch.cat([image[:, None].to(boxes), boxes], 1)
    features = levels[0].new_zeros(boxes.shape[0], levels[0].shape[1], *pool.output_size)
    for i, (level_map, stride) in enumerate(zip(levels, strides, strict=True)):
        row = (level == i).nonzero()[:, 0]
        features[row] = roi_align(level_map, rois[row], pool.output_size, 1 / stride, pool.sampling_ratio).to(
            features
        )
    return features


def classify_proposals(
    net: Any, maps: Maps, boxes: Tensor, image: Tensor, place: AnchorGrid
) -> tuple[Tensor, Tensor]:
    """Box head: (R, K + 1) class logits and (R, 4 (K + 1)) offsets of (R, 4) boxes."""
    parts = pooled(net.roi_heads.box_roi_pool, maps, boxes, image, place.size)
    logits, offsets = net.roi_heads.box_predictor(net.roi_heads.box_head(parts))
    return logits.float(), offsets.float()


def score_proposals(net: Any, maps: Maps, place: AnchorGrid) -> tuple[Tensor, Tensor]:
    """Score proposals: (B, P K, 4) boxes and (B, P, K) scores of each class; padding has score 0."""
    proposals, real, _, _ = proposed(net, maps, place)
    image, row = used_proposals(real)
    mine = proposals[image, row]
    logits, offsets = classify_proposals(net, maps, mine, image, place)
    decoded = net.roi_heads.box_coder.decode_single(offsets, mine).view(*logits.shape, 4)[:, 1:]
    chance = F.softmax(logits, 1)[:, 1:] * real[image, row, None]
    boxes = proposals.new_zeros(*real.shape, *decoded.shape[1:])
    scores = proposals.new_zeros(*real.shape, chance.shape[1])
    boxes[image, row], scores[image, row] = decoded, chance
    return boxes.flatten(1, 2), scores
