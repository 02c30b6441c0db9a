"""Classifier: a backbone with one output for each class, trained with cross-entropy."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.task import DataInfo
from sightline.losses import distillation, labels
from sightline.models import linear_probe, registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.classify.options import ClassifyOptions

CARD = ModelCard(
    name="net",
    summary="Any backbone with one output per class; cross-entropy (single-label) or binary (multi-label).",
    paper="",
)


class Net(Model):
    """A backbone whose outputs are read as class scores.

    Args:
        settings: See `settings`; `backbone` names the network, `multilabel` says that an image may have
            several labels, `temperature` divides the logits (calibration).
        pretrained: no, auto or yes.
    """

    card: ClassVar[ModelCard] = CARD
    weights: Tensor

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.network = registry.create(
            settings["backbone"],
            outputs=len(settings["classes"]),
            channels=settings["channels"],
            size=tuple(settings["size"]),
            pretrained=pretrained,
            **settings["backbone_options"],
        )
        self.register_buffer("weights", torch.tensor(settings["class_weights"]), persistent=False)

    @staticmethod
    def settings_for(info: DataInfo, options: ClassifyOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        common = labels.classifier_settings(info, options.class_weights, options.label_smoothing)
        return {**common, "multilabel": info.multilabel}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, H, W) images."""
        return {"logits": self.network(self.normalize(images))}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Probabilities by softmax (single-label) or sigmoid (multi-label)."""
        logits = outputs["logits"] / settings["temperature"]
        return {"scores": torch.sigmoid(logits) if settings["multilabel"] else torch.softmax(logits, 1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> ClassLabels:
        """The most probable class; for several labels, all above one half."""
        scores = answer["scores"]
        return ClassLabels(scores > 0.5 if settings["multilabel"] else scores.argmax(1), scores)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean cross-entropy}, each image with the weight of its class, each label with its own."""
        logits = (outputs or self(batch.images))["logits"].float()
        target: ClassLabels = batch.targets
        smooth = self.settings["label_smoothing"] if self.training else 0.0
        if self.settings["multilabel"]:
            goal = (target.value if target.scores is None else target.scores).to(logits.dtype)
            goal = goal * (1 - smooth) + smooth / 2
            each = F.binary_cross_entropy_with_logits(logits, goal, reduction="none")
            return {"loss": (each.mean(0) * self.weights).sum() / self.weights.sum()}
        goal = F.one_hot(target.value, len(self.weights)) if target.scores is None else target.scores
        return {"loss": labels.cross_entropy(logits, goal.to(logits.dtype), self.weights, smooth)}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"taught": KL divergence from the teacher's softened classes, or from each of its labels}."""
        distillation.same(outputs, goal, ("logits",))
        if self.settings["multilabel"]:
            return {"taught": distillation.labels(outputs["logits"], goal["logits"]).mean()}
        return {"taught": distillation.classes(outputs["logits"], goal["logits"], distillation.TEMPERATURE)}

    def fit_head(
        self, features: Tensor, target: ClassLabels, val_features: Tensor, val_target: ClassLabels
    ) -> str:
        """Fit logistic regression: of the classes, or of each label."""
        x, y, val_x, val_y = (t.numpy() for t in (features, target.value, val_features, val_target.value))
        if self.settings["multilabel"]:
            head = linear_probe.multilabel_head(x, y, val_x, val_y, self.settings["class_weights"])
        else:
            head = linear_probe.logistic_head(x, y, val_x, val_y, self.settings["class_weights"])
        head.put_into(self.network.head)
        return f"logistic regression ({head.penalty})"

    def backbone(self) -> nn.Module:
        """The backbone with its head."""
        return self.network


MODEL = Net
TAKES_BACKBONE = True
