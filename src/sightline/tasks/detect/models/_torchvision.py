"""Base class of torchvision's detectors as methods of this task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.losses import distillation
from sightline.models.adapters.base import padded, seeded
from sightline.models.adapters.torchvision_detection import (
    MAX_CANDIDATES,
    MULTIPLE,
    NMS,
    AnchorGrid,
    DetectorVariant,
    anchors_for,
    network,
)
from sightline.models.detection import postprocess as candidates
from sightline.models.weights.download import Pretrained
from sightline.tasks.detect.options import DetectOptions

Targets = list[dict[str, Tensor]]


class TorchvisionDetector(Model):
    """A detector of torchvision.

    Args:
        settings: See `settings_for`; `variant` names the network it is built on.
        pretrained: no, auto or yes.
    """

    variants: ClassVar[Mapping[str, DetectorVariant]]
    background: ClassVar[int] = 0
    """Classes that torchvision counts before ours: 1 where class 0 is the background."""
    multiple: ClassVar[int] = MULTIPLE
    """Images are padded to sides that are multiples of this."""

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.network = network(self.card.name, self.variants, settings, pretrained, self.background)
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
            anchors = anchors_for(self.network.net, self.card.name, images, self.multiple)
            self._places[size] = anchors
        return anchors

    @classmethod
    def settings_for(cls, info: DataInfo, options: DetectOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return candidates.settings_for(info, options, cls.card, next(iter(cls.variants)), NMS)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Candidates for (B, C, H, W) images: boxes in their pixels, scores and labels.

        What the loss is computed from comes with them, but is left out of an exported model.
        """
        raw = self.raw(images)
        candidates = self.candidates(raw, self.place(images))
        return candidates if torch.compiler.is_exporting() else {**raw, **candidates}

    def raw(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the network in float32: in half precision, boxes would be off by pixels."""
        net: Any = self.network.net
        maps = net.backbone(padded(self.normalize(images), self.multiple))
        return {name: value.float() for name, value in self.outputs_of(net, maps).items()}

    def outputs_of(self, net: Any, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of the head for feature maps."""
        outputs: dict[str, Tensor] = net.head(list(maps.values()))
        return outputs

    def candidates(self, raw: dict[str, Tensor], place: AnchorGrid) -> dict[str, Tensor]:
        """Top-k candidates of each level."""
        return candidates.best(*self.scored(self.network.net, raw, place), place.counts, MAX_CANDIDATES)

    @abstractmethod
    def scored(self, net: Any, raw: dict[str, Tensor], place: AnchorGrid) -> tuple[Tensor, Tensor]:
        """(B, A, 4) boxes in pixels of the images and (B, A, K) scores in [0, 1], for each anchor."""

    @abstractmethod
    def losses(
        self, net: Any, raw: dict[str, Tensor], targets: Targets, place: AnchorGrid
    ) -> dict[str, Tensor]:
        """Named losses; their sum is minimized."""

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The candidates."""
        return {name: outputs[name] for name in ("boxes", "scores", "labels")}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        """Score threshold and NMS; see `postprocess.select`."""
        return candidates.select(answer, settings)[0]

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, and its terms by name}. The same in training and in evaluation mode."""
        raw = self.raw(batch.images) if outputs is None else outputs
        targets = [
            {"boxes": boxes, "labels": labels + self.background}
            for boxes, labels in candidates.boxes_of_batch(batch)
        ]
        with seeded(rng):
            terms = self.losses(self.network.net, raw, targets, self.place(batch.images))
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    distillation_loss = distillation.unordered

    def backbone(self) -> nn.Module:
        """The whole detector; `--freeze` freezes its body."""
        return self.network
