"""Regressor: a backbone with one output for each number, trained on standardized targets."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.core.targets.number import RegressionValues
from sightline.core.task import DataInfo
from sightline.models import linear_probe, registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.regress.options import RegressOptions

CARD = ModelCard(
    name="net",
    summary="Any backbone with one output per number; targets are standardized.",
    paper="",
)

_LOSSES = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.smooth_l1_loss}


class Net(Model):
    """A backbone whose outputs are read as numbers.

    Args:
        settings: See `settings_for`; `output_stats` holds (mean, deviation) of each number in training.
        pretrained: no, auto or yes.
    """

    card: ClassVar[ModelCard] = CARD
    center: Tensor
    scale: Tensor

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.network = registry.create(
            settings["backbone"],
            outputs=len(settings["outputs"]),
            channels=settings["channels"],
            size=tuple(settings["size"]),
            pretrained=pretrained,
            **settings["backbone_options"],
        )
        center, scale = zip(*settings["range"], strict=True)
        self.register_buffer("center", torch.tensor(center), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    @staticmethod
    def settings_for(info: DataInfo, options: RegressOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        return {
            "outputs": list(info.outputs),
            "range": [list(r) for r in info.output_stats],
            "loss": options.loss,
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"value": (B, M)} in the user's unit for (B, C, H, W) images."""
        return {"value": self.network(self.normalize(images)) * self.scale + self.center}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> RegressionValues:
        """The numbers as they are."""
        return RegressionValues(answer["value"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean error over images and numbers, in standard deviations of the training targets}."""
        error = ((outputs or self(batch.images))["value"].float() - batch.targets.value) / self.scale
        return {"loss": _LOSSES[self.settings["loss"]](error, torch.zeros_like(error))}

    def evidence(self, outputs: dict[str, Tensor], about: Targets) -> Tensor:
        """(B,) how far the number lies from the training mean, on the side where it was predicted, in
        standard deviations.
        """
        assert isinstance(about, RegressionValues)
        far, side = ((value - self.center) / self.scale for value in (outputs["value"], about.value))
        return (far * side.nan_to_num().sign()).sum(1)

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"taught": mean squared distance to the teacher's numbers, in standard deviations}."""
        apart = (outputs["value"] - goal["value"].view_as(outputs["value"])).float() / self.scale
        return {"taught": apart.square().mean()}

    def fit_head(
        self, features: Tensor, target: RegressionValues, val_features: Tensor, val_target: RegressionValues
    ) -> str:
        """Ridge regression of the standardized numbers."""
        center, scale = (t.cpu().numpy() for t in (self.center, self.scale))
        goal, val_goal = ((t.value.numpy() - center) / scale for t in (target, val_target))
        head = linear_probe.ridge_head(features.numpy(), goal, val_features.numpy(), val_goal)
        head.put_into(self.network.head)
        return f"ridge regression ({head.penalty})"

    def backbone(self) -> nn.Module:
        """The backbone with its head."""
        return self.network


MODEL = Net
TAKES_BACKBONE = True
