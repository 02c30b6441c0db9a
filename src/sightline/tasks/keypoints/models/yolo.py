"""One-stage pose estimation: `models/detection/yolo.py` with the points of its object at every anchor point.

After Maji et al., YOLO-Pose: boxes, scores, points and visibilities of all objects of an image come from one
pass over the whole image, so that no detector and no crops are needed, and the time does not grow with the
number of objects. Here the boxes and the assignment are those of our detectors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import VISIBLE, Keypoints
from sightline.core.task import DataInfo
from sightline.losses import distillation
from sightline.losses.boxes import box_losses
from sightline.losses.keypoints import keypoint_losses
from sightline.models.detection import yolo
from sightline.models.detection.postprocess import learnable, select
from sightline.models.heads.branches import Branch
from sightline.models.weights.download import Pretrained
from sightline.tasks.keypoints.options import KeypointOptions

PAPER = (
    "Maji et al., YOLO-Pose: Enhancing YOLO for Multi Person Pose Estimation Using Object Keypoint "
    f"Similarity Loss, CVPR workshops 2022; boxes: {yolo.PAPER}"
)
POINTS = 17
"""Points of an object that parameters are counted with."""


class YoloPose(Model):
    """A detector of one size with keypoints; see `MODELS`.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the backbone: no, auto or yes.
    """

    scale: ClassVar[yolo.Scale]

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        j = len(settings["skeleton"]["names"])
        more = {"points": Branch(2 * j, depth=2), "visible": Branch(j, light=True, depth=2)}
        self.network = yolo.network(self.scale, settings, pretrained, more)

    @staticmethod
    def settings_for(info: DataInfo, options: KeypointOptions) -> dict[str, Any]:
        """See `yolo.network_settings`."""
        return {
            **yolo.network_settings(info, options),
            "skeleton": dict(info.statistics["skeleton"]),
            "items": "images",
            "merged": info.statistics.get("merged", []),
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs at A anchor points, for (B, C, H, W) images; see `yolo.forward`.

        Returns:
            What is said there; and "points" (B, A, 2 J) x, y, x, y, ... in pixels, and "visible" (B, A, J)
            before the sigmoid.
        """
        more = ("points", "visible", "places")
        outputs = yolo.forward(self.network, self.normalize(images), self.settings, more)
        center, stride = outputs["places"][..., :2], outputs["places"][..., 2:]
        j = outputs["visible"].shape[2]
        outputs["points"] = outputs["points"] * stride + center.repeat(1, 1, j)
        if "bins" not in outputs:  # an exported network says nothing that only the loss wants
            del outputs["places"]
        return outputs

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Top-k candidates with "points" (B, N, J, 2) in pixels and "point_scores" (B, N, J) in [0, 1]."""
        answer = yolo.best(outputs, settings, ["points", "visible"])
        scores = answer.pop("visible").float().sigmoid()
        points = answer["points"].float()
        return {**answer, "points": points.view(*scores.shape, 2), "point_scores": scores}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Keypoints:
        """Objects above `conf`, at most `max_objects` per image, best first."""
        detections, row = select(answer, settings)
        points = answer["points"][detections.image, row].float()
        return Keypoints(
            counts=detections.counts,
            sizes=detections.sizes,
            boxes=detections.boxes,
            labels=detections.labels,
            scores=detections.scores,
            points=points,
            visibility=torch.full(points.shape[:2], VISIBLE, dtype=torch.int8, device=points.device),
            skeleton=Skeleton.from_json(settings["skeleton"]),
            point_scores=answer["point_scores"][detections.image, row].float(),
        )

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, "box", "sides", "class", "single", "points", "far", "visible"}.

        See `box_losses` and `keypoint_losses`; points of groups (crowd) are not learnt.
        """
        raw = outputs or self(batch.images)
        parts, assigned = box_losses(raw, batch.targets)
        # The places were assigned to exactly these objects.
        parts |= keypoint_losses(raw, learnable(batch.targets), assigned)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """Distillation losses; see `losses/distillation.py`, `places`; and of points their distance in
        strides and the divergence of their visibilities, where the teacher is sure of an object.
        """
        losses = distillation.places(outputs, goal)
        distillation.same(outputs, goal, ("points", "visible"))
        sure = goal["many"].float().sigmoid().amax(2)
        total, stride = sure.sum().clamp(min=1), outputs["places"][..., 2:]
        apart = ((outputs["points"] - goal["points"]).float() / stride).abs().mean(2)
        visible = distillation.labels(outputs["visible"], goal["visible"]).mean(2)
        losses["taught points"] = (apart * sure).sum() / total
        losses["taught visible"] = (visible * sure).sum() / total
        return losses

    def backbone(self) -> nn.Module:
        """The backbone of the detector."""
        backbone: nn.Module = self.network.backbone
        return backbone


def _variant(scale: yolo.Scale, parameters: int) -> type[YoloPose]:
    """The detector with keypoints of one size."""

    class Sized(YoloPose):
        __doc__ = _variant.__doc__
        card = replace(
            yolo.card(scale, parameters, PAPER),
            counted=f"1 class, {POINTS} points, 3x640x640, own backbone",
            ignores=("sigma",),
        )

    Sized.scale = scale
    return Sized


MODELS = {
    "yolo-n": _variant("n", 2_901_951),
    "yolo-s": _variant("s", 11_492_895),
    "yolo-m": _variant("m", 27_044_031),
    "yolo-l": _variant("l", 47_140_959),
}
