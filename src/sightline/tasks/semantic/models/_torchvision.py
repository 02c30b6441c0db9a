"""torchvision's segmentation networks: encoder and heads are called one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.models.adapters import base
from sightline.models.weights.download import Pretrained, fetch_or_skip
from sightline.tasks.semantic.models._network import SegmentationModel, enlarged

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation that torchvision's networks were trained with."""
DEFAULTS = {"batch_size": 8, "optimizer": "sgd", "lr": 0.01, "weight_decay": 1e-4}
"""Recipe of all of them, where ours differs."""
BODY = "backbone"


@dataclass(frozen=True)
class SegmenterVariant:
    """One network (backbone and published weights) of a method.

    Attributes:
        build: Takes weights, weights_backbone and num_classes.
        weights: Published weights (images of COCO, classes of VOC), or None.
    """

    build: Callable[..., nn.Module]
    weights: Any = None


class TorchvisionSegmenter(SegmentationModel):
    """A segmentation network of torchvision."""

    variants: ClassVar[Mapping[str, SegmenterVariant]]

    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """torchvision's network, for this many classes and channels."""
        name, channels = self.settings["variant"], self.settings["channels"]
        variant = self.variants[name]
        net = variant.build(weights=None, weights_backbone=None, num_classes=len(self.settings["classes"]))
        if channels != 3:
            base.see(net.get_submodule(BODY), channels)
        weights = fetch_or_skip(f"'{self.card.name}' ({name})", pretrained, _fetch(variant))
        if weights is not None:
            base.fill(net, weights, BODY)
        network = base.LibraryNetwork(net, BODY, still=False)
        if weights is not None:
            network.origin = f"torchvision: {variant.weights.url}"
            network.pixels = IMAGENET if channels == 3 else None
        return network

    def outputs_of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Scores of the head; in training also those of the auxiliary head, if there is one."""
        net: Any = self.network.net
        maps = net.backbone(pixels)
        outputs = {"logits": net.classifier(maps.get("out", maps))}
        if self.training and "aux" in maps:
            outputs["aux"] = net.aux_classifier(maps["aux"])
        return {name: enlarged(value, pixels.shape[2:]) for name, value in outputs.items()}


def _fetch(variant: SegmenterVariant) -> Callable[[], base.Tensors] | None:
    """A function that downloads the published tensors."""
    if variant.weights is None:
        return None
    return lambda: variant.build(weights=variant.weights, progress=False).state_dict()
