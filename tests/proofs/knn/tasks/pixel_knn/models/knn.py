"""k nearest neighbors on pixels: what is learnt is the training images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.task import DataInfo
from sightline.models.adapters.fitted import FittedModel

CARD = ModelCard(
    name="knn",
    summary="k nearest neighbors on pixels.",
    paper="Cover, Hart, IEEE Trans. IT 1967",
    trainer="fit",
)


class Knn(FittedModel):
    """The shares of classes among the nearest training images."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        assert info.classes is not None
        names, ids = list(info.classes.names), list(info.classes.ids)
        return {"classes": names, "class_ids": ids, "k": options.k}

    def fit(self, batches: Iterable[Batch], seed: int) -> str:
        viewed = list(batches)
        images = torch.cat([self.normalize(b.images).flatten(1) for b in viewed])
        self.learn({"images": images, "classes": torch.cat([b.targets.value for b in viewed])})
        return f"{len(images)} images are kept"

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        distance = torch.cdist(self.normalize(images).flatten(1), self.learned["images"])
        near = distance.topk(self.settings["k"], largest=False).indices
        votes = F.one_hot(self.learned["classes"][near], len(self.settings["classes"]))
        return {"scores": votes.float().mean(1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> ClassLabels:
        return ClassLabels(answer["scores"].argmax(1), answer["scores"])


MODEL = Knn
