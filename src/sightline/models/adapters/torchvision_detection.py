"""torchvision's one-stage detectors: their parts (backbone, head, anchors) are called one by one.

There are two reasons. torchvision resizes images itself, but our images are already letterboxed. And
torchvision computes losses in training mode only, but validation needs the loss of the scored outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from sightline.errors import UnknownName, UsageError
from sightline.models.adapters.base import LibraryNetwork, Tensors, fill, map_sizes, padded, see
from sightline.models.weights.download import Pretrained, fetch_or_skip

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation that torchvision's residual networks were trained with."""

MAX_CANDIDATES = 1000
"""Candidates of each level of feature maps, as in torchvision."""

NMS = 0.5
"""Overlap with a better box of the same class that drops a box, as in torchvision."""

NARROW = 128
"""Channels of the feature pyramid of small variants."""

MULTIPLE = 32
"""Images are padded to sides that are multiples of this, where maps must fit on one another."""


@dataclass(frozen=True)
class DetectorVariant:
    """One network (backbone and published weights) of a detection method.

    Attributes:
        build: torchvision's function; takes weights, weights_backbone, num_classes.
        body: Dotted name of what looks at the image.
        weights: Published weights (COCO), or None.
        pixels: Mean and deviation that those were trained with.
    """

    build: Callable[..., nn.Module]
    body: str = "backbone.body"
    weights: Any = None
    pixels: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET


@dataclass(frozen=True)
class AnchorGrid:
    """Anchor boxes for images of one size.

    Attributes:
        size: Height and width of the images.
        anchors: (A, 4) boxes in pixels.
        counts: How many of them each level of feature maps has.
    """

    size: tuple[int, int]
    anchors: Tensor
    counts: list[int]


def network(
    model: str,
    variants: Mapping[str, DetectorVariant],
    settings: dict[str, Any],
    pretrained: Pretrained,
    background: int = 1,
) -> LibraryNetwork:
    """Build one network of a detection method.

    Args:
        model: Name of the method.
        variants: Its networks.
        settings: `variant`, `channels`, `classes`; `keep_statistics` is set where weights are fetched.
        pretrained: no, auto or yes.
        background: Classes that torchvision counts before ours: 1 where class 0 is the background.

    Raises:
        UnknownName: If there is no such variant.
        SightlineError: If weights were asked for and cannot be had.
    """
    name, channels = settings["variant"], settings["channels"]
    if name not in variants:
        raise UnknownName(f"variant of model '{model}'", name, variants)
    variant = variants[name]
    classes = len(settings["classes"]) + background
    net = variant.build(weights=None, weights_backbone=None, num_classes=classes)
    if channels != 3:
        see(net.get_submodule(variant.body), channels)
    weights = fetch_or_skip(f"'{model}' ({name})", pretrained, _fetch(variant))
    if weights is not None:
        fill(net, weights, variant.body)
        settings["keep_statistics"] = True
    net_wrapped = LibraryNetwork(net, variant.body, still=settings.get("keep_statistics", False))
    if weights is not None:
        net_wrapped.origin = f"torchvision: {variant.weights.url}"
        net_wrapped.pixels = variant.pixels if channels == 3 else None
    return net_wrapped


def anchors_for(net: Any, model: str, images: Tensor, multiple: int = MULTIPLE) -> AnchorGrid:
    """Compute the anchor boxes for images (B, C, H, W) of this size.

    Args:
        net: torchvision's detector.
        model: Name of the method.
        images: Of the size; what is in them plays no part.
        multiple: What their sides are padded to multiples of.

    Raises:
        UsageError: If they are too small for the network.
    """
    size = (images.shape[2], images.shape[3])
    image = padded(images[:1].float(), multiple)
    try:
        sizes = map_sizes(net.backbone, image.shape[1], (image.shape[2], image.shape[3]))
    except RuntimeError as error:
        raise UsageError(
            f"Model '{model}' cannot take images of {size[0]}x{size[1]} "
            f"({str(error).splitlines()[0]}). Use a larger --size, or another --variant."
        ) from error
    generator = net.rpn.anchor_generator if hasattr(net, "rpn") else net.anchor_generator
    maps = [image.new_empty(1, 1, *s) for s in sizes]
    anchors = generator(ImageList(image, [size]), maps)[0]
    each = generator.num_anchors_per_location()
    return AnchorGrid(size, anchors, [h * w * n for (h, w), n in zip(sizes, each, strict=True)])


def small(*, dense: bool) -> nn.Module:
    """ResNet-18 with a narrow feature pyramid (FPN) and fresh weights, for small data and small machines.

    Args:
        dense: Strides 8 to 128, as dense detectors want them, rather than 4 to 64.
    """
    stages = [2, 3, 4] if dense else [1, 2, 3, 4]
    return BackboneWithFPN(  # type: ignore[no-any-return]
        resnet18(weights=None),
        {f"layer{stage}": str(level) for level, stage in enumerate(stages)},
        [32 * 2**stage for stage in stages],
        NARROW,
        extra_blocks=LastLevelP6P7(NARROW, NARROW) if dense else None,
    )


def _fetch(variant: DetectorVariant) -> Callable[[], Tensors] | None:
    """A function that downloads the published tensors. torchvision renames old keys while it loads them."""
    if variant.weights is None:
        return None
    return lambda: variant.build(weights=variant.weights, progress=False).state_dict()
