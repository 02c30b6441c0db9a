"""Parts of torchvision's detectors that propose boxes and look into each, to be called one by one.

torchvision resizes pictures itself, where ours come letterboxed; and it computes losses in training mode
only, where validation wants the loss of the very outputs that are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import concat_box_prediction_layers

from sightline.errors import UnknownName, UsageError
from sightline.models.library import Network, Tensors, fill, map_sizes, padded, see
from sightline.models.published import Pretrained, fetched

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation that torchvision's residual networks were trained with."""

MOST = 1000
"""Candidates of an image, as in torchvision."""

NMS = 0.5
"""Overlap with a better box of the same class that drops a box, as in torchvision."""

NARROW = 128
"""Channels of the feature pyramid of small variants."""

MULTIPLE = 32
"""Images are padded to sides that are multiples of this."""

BODY = "backbone.body"

Maps = dict[str, Tensor]


@dataclass(frozen=True)
class Variant:
    """One network that a method can be built on.

    Attributes:
        build: torchvision's function; takes weights, weights_backbone, num_classes.
        weights: Published weights (COCO), or None.
    """

    build: Callable[..., nn.Module]
    weights: Any = None


@dataclass(frozen=True)
class Place:
    """Anchors on images of one size.

    Attributes:
        size: Height and width of the images.
        anchors: (A, 4) boxes in pixels.
        counts: How many of them each level of feature maps has.
    """

    size: tuple[int, int]
    anchors: Tensor
    counts: list[int]


def network(
    model: str, variants: Mapping[str, Variant], settings: dict[str, Any], pretrained: Pretrained
) -> Network:
    """One of a method's networks; class 0 is the background.

    Args:
        model: Name of the method.
        variants: Its networks.
        settings: `variant`, `channels`, `classes`; `keep_statistics` is set where weights are fetched.
        pretrained: no, auto or yes.

    Raises:
        UnknownName: If there is no such variant.
        SightlineError: If weights were asked for and cannot be had.
    """
    name, channels = settings["variant"], settings["channels"]
    if name not in variants:
        raise UnknownName(f"variant of model '{model}'", name, variants)
    variant = variants[name]
    net = variant.build(weights=None, weights_backbone=None, num_classes=len(settings["classes"]) + 1)
    if channels != 3:
        see(net.get_submodule(BODY), channels)
    found = fetched(f"'{model}' ({name})", pretrained, _fetch(variant))
    if found is not None:
        fill(net, found, BODY)
        settings["keep_statistics"] = True
    made = Network(net, BODY, still=settings.get("keep_statistics", False))
    if found is not None:
        made.origin = f"torchvision: {variant.weights.url}"
        made.pixels = IMAGENET if channels == 3 else None
    return made


def _fetch(variant: Variant) -> Callable[[], Tensors] | None:
    """How to get the published tensors. torchvision renames those of older files while it loads them."""
    if variant.weights is None:
        return None
    return lambda: variant.build(weights=variant.weights, progress=False).state_dict()


def small() -> nn.Module:
    """ResNet-18 with a narrow feature pyramid and fresh weights, for small data and small machines."""
    stages = [1, 2, 3, 4]
    return BackboneWithFPN(  # type: ignore[no-any-return]
        resnet18(weights=None),
        {f"layer{stage}": str(level) for level, stage in enumerate(stages)},
        [32 * 2**stage for stage in stages],
        NARROW,
    )


def laid(net: Any, model: str, images: Tensor) -> Place:
    """Where the anchors lie on images (B, C, H, W) of this size.

    Raises:
        UsageError: If they are too small for the network.
    """
    size = (images.shape[2], images.shape[3])
    picture = padded(images[:1].float(), MULTIPLE)
    try:
        sizes = map_sizes(net.backbone, picture.shape[1], (picture.shape[2], picture.shape[3]))
    except RuntimeError as error:
        raise UsageError(
            f"Model '{model}' cannot take pictures of {size[0]}x{size[1]} "
            f"({str(error).splitlines()[0]}). Use a larger --size, or another --variant."
        ) from error
    generator = net.rpn.anchor_generator
    maps = [picture.new_empty(1, 1, *s) for s in sizes]
    anchors = generator(ImageList(picture, [size]), maps)[0]
    each = generator.num_anchors_per_location()
    return Place(size, anchors, [h * w * n for (h, w), n in zip(sizes, each, strict=True)])


def proposed(net: Any, maps: Maps, place: Place) -> tuple[Any, Tensor, Tensor]:
    """Proposals of each image, and all objectness logits and offsets, image after image."""
    logits, offsets = net.rpn.head(list(maps.values()))
    logits, offsets = (x.float() for x in concat_box_prediction_layers(logits, offsets))
    images = len(next(iter(maps.values())))
    boxes = net.rpn.box_coder.decode(offsets.detach(), [place.anchors] * images)
    boxes = boxes.view(images, -1, 4)
    found, _ = net.rpn.filter_proposals(boxes, logits, [place.size] * images, place.counts)
    return found, logits, offsets


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
