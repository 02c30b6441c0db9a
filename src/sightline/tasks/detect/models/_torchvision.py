"""The door to torchvision's detectors. Their parts are called one by one, for two reasons.

torchvision resizes pictures itself, where ours come letterboxed; and it computes losses in training mode
only, where validation wants the loss of the very outputs that are scored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.errors import UnknownName, UsageError
from sightline.models import candidates
from sightline.models.library import Network, Tensors, fill, map_sizes, padded, see, seeded
from sightline.models.published import Pretrained, fetched
from sightline.tasks.detect.options import Options

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation that torchvision's residual networks were trained with."""

MOST = 1000
"""Candidates of each level of feature maps, as in torchvision."""

NMS = 0.5
"""Overlap with a better box of the same class that drops a box, as in torchvision."""

NARROW = 128
"""Channels of the feature pyramid of small variants."""

Truths = list[dict[str, Tensor]]


@dataclass(frozen=True)
class Variant:
    """One network that a method can be built on.

    Attributes:
        build: torchvision's function; takes weights, weights_backbone, num_classes.
        body: Dotted name of what looks at the picture.
        weights: Published weights (COCO), or None.
        pixels: Mean and deviation that those were trained with.
    """

    build: Callable[..., nn.Module]
    body: str = "backbone.body"
    weights: Any = None
    pixels: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET


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


class Detector(Model):
    """A detector of torchvision.

    Args:
        settings: See `settings_for`; `variant` names the network it is built on.
        pretrained: no, auto or yes.
    """

    variants: ClassVar[Mapping[str, Variant]]
    background: ClassVar[int] = 0
    """Classes that torchvision counts before ours: 1 where class 0 is the background."""
    multiple: ClassVar[int] = 32
    """Images are padded to sides that are multiples of this."""

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        name, channels = settings["variant"], settings["channels"]
        if name not in self.variants:
            raise UnknownName(f"variant of model '{self.card.name}'", name, self.variants)
        variant = self.variants[name]
        net = variant.build(
            weights=None, weights_backbone=None, num_classes=len(settings["classes"]) + self.background
        )
        if channels != 3:
            see(net.get_submodule(variant.body), channels)
        found = fetched(f"'{self.card.name}' ({name})", pretrained, _fetch(variant))
        if found is not None:
            fill(net, found, variant.body)
            settings["keep_statistics"] = True
        self.network = Network(net, variant.body, still=settings.get("keep_statistics", False))
        if found is not None:
            self.network.origin = f"torchvision: {variant.weights.url}"
            self.network.pixels = variant.pixels if channels == 3 else None
        self._places: dict[tuple[int, int], Place] = {}
        self.place(torch.zeros(1, channels, *settings["size"]))

    def place(self, images: Tensor) -> Place:
        """Where the anchors lie on images of this size.

        Raises:
            UsageError: If they are too small for the network.
        """
        size = (images.shape[2], images.shape[3])
        found = self._places.get(size)
        if found is None or found.anchors.device != images.device:
            found = self._places[size] = self._laid(size, images)
        return found

    def _laid(self, size: tuple[int, int], images: Tensor) -> Place:
        net: Any = self.network.net
        picture = padded(images[:1].float(), self.multiple)
        try:
            sizes = map_sizes(net.backbone, picture.shape[1], (picture.shape[2], picture.shape[3]))
        except RuntimeError as error:
            raise UsageError(
                f"Model '{self.card.name}' cannot take pictures of {size[0]}x{size[1]} "
                f"({str(error).splitlines()[0]}). Use a larger --size, or another --variant."
            ) from error
        generator = net.rpn.anchor_generator if hasattr(net, "rpn") else net.anchor_generator
        maps = [picture.new_empty(1, 1, *s) for s in sizes]
        anchors = generator(ImageList(picture, [size]), maps)[0]
        each = generator.num_anchors_per_location()
        return Place(size, anchors, [h * w * n for (h, w), n in zip(sizes, each, strict=True)])

    @classmethod
    def settings_for(cls, info: DataInfo, options: Options) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return candidates.settings_for(info, options, cls.card, next(iter(cls.variants)), NMS)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Candidates for (B, C, H, W) images: boxes in their pixels, scores and labels.

        What the loss is computed from comes with them, but is left out of an exported model.
        """
        raw = self.raw(images)
        found = self.candidates(raw, self.place(images))
        return found if torch.compiler.is_exporting() else {**raw, **found}

    def raw(self, images: Tensor) -> dict[str, Tensor]:
        """What the network says, in full precision: boxes in half of it would be pixels off."""
        net: Any = self.network.net
        maps = net.backbone(padded(self.normalise(images), self.multiple))
        return {name: value.float() for name, value in self.said(net, maps).items()}

    def said(self, net: Any, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """The head's outputs for feature maps."""
        outputs: dict[str, Tensor] = net.head(list(maps.values()))
        return outputs

    def candidates(self, raw: dict[str, Tensor], place: Place) -> dict[str, Tensor]:
        """The best boxes of each level."""
        return candidates.best(*self.scored(self.network.net, raw, place), place.counts, MOST)

    @abstractmethod
    def scored(self, net: Any, raw: dict[str, Tensor], place: Place) -> tuple[Tensor, Tensor]:
        """(B, A, 4) boxes in pixels of the images and (B, A, K) scores in [0, 1], for each anchor."""

    @abstractmethod
    def losses(self, net: Any, raw: dict[str, Tensor], truths: Truths, place: Place) -> dict[str, Tensor]:
        """Named losses; their sum is minimised."""

    @classmethod
    def decode(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        """See `candidates.decode`."""
        return candidates.decode(outputs, settings)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, and its terms by name}. The same in training and in evaluation mode."""
        raw = self.raw(batch.images) if outputs is None else outputs
        truths = [
            {"boxes": boxes, "labels": labels + self.background} for boxes, labels in candidates.truths(batch)
        ]
        with seeded(rng):
            terms = self.losses(self.network.net, raw, truths, self.place(batch.images))
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def backbone(self) -> nn.Module:
        """The whole detector; `--freeze` holds its body."""
        return self.network


def small(*, dense: bool) -> nn.Module:
    """ResNet-18 with a narrow feature pyramid and fresh weights, for small data and small machines.

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


def _fetch(variant: Variant) -> Callable[[], Tensors] | None:
    """How to get the published tensors. torchvision renames those of older files while it loads them."""
    if variant.weights is None:
        return None
    return lambda: variant.build(weights=variant.weights, progress=False).state_dict()
