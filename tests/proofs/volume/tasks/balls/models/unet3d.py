"""A 3-D U-Net of two depths.

Source: Cicek et al., 3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation, MICCAI 2016.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sightline.core.targets.volumes import OUTSIDE, Volumes
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch

CARD = ModelCard(name="unet3d", summary="3-D U-Net", paper="Cicek et al., MICCAI 2016", stride=2)


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)
    )


class UNet3d(Model):
    """(B, C, D, H, W) to a score of each class for each voxel."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        del pretrained
        super().__init__(settings)
        width = settings["width"]
        self.down = block(settings["channels"], width)
        self.deep = nn.Sequential(nn.MaxPool3d(2), block(width, 2 * width))
        self.up = nn.ConvTranspose3d(2 * width, width, 2, 2)
        self.join = block(2 * width, width)
        self.head = nn.Conv3d(width, len(settings["classes"]), 1)

    @staticmethod
    def settings_for(info: Any, options: Any) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return {
            "classes": list(info.classes.names),
            "class_ids": list(info.classes.ids),
            "width": options.width,
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K, D, H, W)}."""
        fine = self.down(self.normalize(images))
        return {"logits": self.head(self.join(torch.cat([fine, self.up(self.deep(fine))], 1)))}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The likeliest class of each voxel."""
        return {"classes": outputs["logits"].argmax(1).to(torch.uint8)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Volumes:
        """Class maps."""
        return Volumes.of(answer["classes"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy over the voxels that have a class."""
        logits = (outputs or self(batch.images))["logits"].float()
        target = batch.targets.dense().long().to(logits.device)
        return {"loss": F.cross_entropy(logits, target, ignore_index=OUTSIDE)}


MODEL = UNet3d
