"""What all models of clips share: loss, postprocessing, and frames folded into the batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.task import DataInfo
from sightline.losses import distillation, labels
from sightline.tasks.action.options import ActionOptions

SMALL_SIDE = 48
"""Frames with a longer side begin with a stride of 2, and with one more for each doubling."""


class ClipModel(Model):
    """A classifier of clips (B, C, T, H, W). A subclass builds its network and gives its logits.

    Args:
        settings: See `core.model.Model`; `classes`, `class_weights`, `label_smoothing` and `temperature`.
    """

    weights: Tensor

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.register_buffer("weights", torch.tensor(settings["class_weights"]), persistent=False)

    @staticmethod
    def settings_for(info: DataInfo, options: ActionOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return labels.classifier_settings(info, options.class_weights, options.label_smoothing)

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Probabilities by softmax."""
        return {"scores": torch.softmax(outputs["logits"] / settings["temperature"], 1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> ClassLabels:
        """The most probable class."""
        return ClassLabels(answer["scores"].argmax(1), answer["scores"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean cross-entropy}, each clip with the weight of its class."""
        logits = (outputs or self(batch.images))["logits"].float()
        goal = F.one_hot(batch.targets.value, len(self.weights)).to(logits.dtype)
        smooth = self.settings["label_smoothing"] if self.training else 0.0
        return {"loss": labels.cross_entropy(logits, goal, self.weights, smooth)}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"taught": KL divergence from the teacher's softened classes}."""
        distillation.same(outputs, goal, ("logits",))
        return {"taught": distillation.classes(outputs["logits"], goal["logits"], distillation.TEMPERATURE)}


def fold_frames(clips: Tensor) -> Tensor:
    """(B, C, T, H, W) to (B * T, C, H, W)."""
    return clips.transpose(1, 2).flatten(0, 1)


def stem_strides(size: list[int]) -> list[int]:
    """Strides in space of the first convolutions, so that the maps of small and large frames are alike: 1 for
    frames of up to 48 pixels, else 2 for each doubling beyond, three times at most."""
    doublings = 0
    while max(size) >> doublings > SMALL_SIDE and doublings < 3:
        doublings += 1
    return [2 if k < doublings else 1 for k in range(3)]


def conv3d(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> nn.Sequential:
    """3-D convolution, batch norm, ReLU; the stride is one in space."""
    padding = tuple(k // 2 for k in kernel)
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))
