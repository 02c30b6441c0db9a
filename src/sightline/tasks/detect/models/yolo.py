"""YOLO-style detectors as methods of this task; see `sightline.models.detection.yolo`."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.losses import distillation
from sightline.losses.boxes import box_losses
from sightline.models.detection import postprocess, yolo
from sightline.models.weights.download import Pretrained
from sightline.tasks.detect.options import DetectOptions


class YoloDetector(Model):
    """A detector of one size; see `MODELS`.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the backbone: no, auto or yes.
    """

    scale: ClassVar[yolo.Scale]

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.network = yolo.network(self.scale, settings, pretrained)

    @staticmethod
    def settings_for(info: DataInfo, options: DetectOptions) -> dict[str, Any]:
        """See `yolo.settings_for`."""
        return yolo.settings_for(info, options)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs at A anchor points, for (B, C, H, W) images; see `yolo.forward`."""
        return yolo.forward(self.network, self.normalize(images), self.settings)

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Top-k candidates of anchor point and class; see `yolo.best`."""
        return yolo.best(outputs, settings)

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        """Detections above `conf`, at most `max_objects` per image, best first."""
        return postprocess.select(answer, settings)[0]

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, "box", "sides", "class", "single"}; see `box_losses`."""
        raw = outputs or self(batch.images)
        parts, _ = box_losses(raw, batch.targets)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """Distillation losses; see `losses/distillation.py`, `places`."""
        return distillation.places(outputs, goal)

    def backbone(self) -> nn.Module:
        """The backbone of the detector."""
        backbone: nn.Module = self.network.backbone
        return backbone


def _variant(scale: yolo.Scale, parameters: int) -> type[YoloDetector]:
    """The detector of one size."""

    class Sized(YoloDetector):
        __doc__ = _variant.__doc__
        card = yolo.card(scale, parameters)

    Sized.scale = scale
    return Sized


MODELS = {
    "yolo-n": _variant("n", 2_504_640),
    "yolo-s": _variant("s", 9_878_752),
    "yolo-m": _variant("m", 23_764_608),
    "yolo-l": _variant("l", 41_622_816),
}
