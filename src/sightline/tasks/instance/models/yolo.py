"""YOLO-style instance segmentation: `models/detection/yolo.py` with `models/heads/prototypes.py`."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo
from sightline.losses import distillation
from sightline.losses.boxes import box_losses
from sightline.models.detection import yolo
from sightline.models.detection.postprocess import learnable, rescale_scores, select
from sightline.models.heads.prototypes import Prototypes, coefficients, crop_masks, mask_loss
from sightline.models.weights.download import Pretrained
from sightline.tasks.instance.options import InstanceOptions

PAPER = f"{yolo.PAPER}; masks: Bolya et al., YOLACT, ICCV 2019"


class YoloSegmenter(Model):
    """A detector of one size with masks; see `MODELS`.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the backbone: no, auto or yes.
    """

    scale: ClassVar[yolo.Scale]

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        size = yolo.SIZES[self.scale]
        prototypes = Prototypes(size.widths[0], size.hidden)
        more, finest = {"coefficients": coefficients()}, {"prototypes": prototypes}
        self.network = yolo.network(self.scale, settings, pretrained, more, finest)

    @staticmethod
    def settings_for(info: DataInfo, options: InstanceOptions) -> dict[str, Any]:
        """See `yolo.settings_for`."""
        return yolo.settings_for(info, options)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs at A anchor points, for (B, C, H, W) images; see `yolo.forward`.

        Returns:
            What is said there; and "coefficients" (B, A, P) in [-1, 1] of "prototypes" (B, P, h, w), which
            have a cell for 4x4 pixels.
        """
        more = ("coefficients", "prototypes")
        outputs = yolo.forward(self.network, self.normalize(images), self.settings, more)
        return {**outputs, "coefficients": outputs["coefficients"].tanh()}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Top-k candidates with their "coefficients" (B, N, P), and the "prototypes"."""
        return {**yolo.best(outputs, settings, ["coefficients"]), "prototypes": outputs["prototypes"]}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> InstanceMasks:
        """Detections above `conf`, at most `max_objects` per image, best first.

        Boxes are those of the detector; masks lie in the pixels that they touch. What has not one pixel
        is no object, and is left out.
        """
        detections, row = select(answer, settings)
        masks = crop_masks(answer["prototypes"], answer["coefficients"][detections.image, row], detections)
        areas = masks.areas().to(detections.boxes.device)
        outlines = InstanceMasks(
            detections.counts, detections.sizes, detections.boxes, detections.labels, detections.scores,
            areas, masks=masks,
        )  # fmt: skip
        return rescale_scores(outlines.select(areas > 0), settings.get("cuts"))

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, "box", "sides", "class", "single", "mask"}.

        See `box_losses` and `mask_loss`; masks of groups (crowd) are not learnt.
        """
        raw = outputs or self(batch.images)
        parts, assigned = box_losses(raw, batch.targets)
        # The places were assigned to exactly these objects.
        parts["mask"] = mask_loss(raw, learnable(batch.targets), assigned, rng)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """Distillation losses; see `losses/distillation.py`, `places`."""
        return distillation.places(outputs, goal)

    def backbone(self) -> nn.Module:
        """The backbone of the detector."""
        backbone: nn.Module = self.network.backbone
        return backbone


def _variant(scale: yolo.Scale, parameters: int) -> type[YoloSegmenter]:
    """The detector with masks of one size."""

    class Sized(YoloSegmenter):
        __doc__ = _variant.__doc__
        card = yolo.card(scale, parameters, PAPER)

    Sized.scale = scale
    return Sized


MODELS = {
    "yolo-n": _variant("n", 2_603_648),
    "yolo-s": _variant("s", 10_240_480),
    "yolo-m": _variant("m", 24_513_920),
    "yolo-l": _variant("l", 42_898_976),
}
