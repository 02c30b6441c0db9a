"""ArcFace: softmax of angles to a proxy of each identity, with a margin that the right angle must win by."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.task import DataInfo
from sightline.models.weights import embedded
from sightline.models.weights.download import Pretrained
from sightline.tasks.embed.models._network import TUNED, EmbedModel
from sightline.tasks.embed.options import EmbedOptions

CARD = ModelCard(
    name="arcface",
    summary="Softmax of angles to a proxy of each identity, with an additive margin.",
    paper="Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, CVPR 2019",
    defaults={"lr": 3e-3, "weight_decay": 0.05, "monitor": "score"},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
)
SURE = 0.999
"""Probability that the scale lets the right identity of perfectly separated proxies have."""
WARM_UP = 0.3
"""Share of training over which the margin grows from nothing: plain softmax begins."""


class ArcFace(EmbedModel):
    """Classification of the training identities by angles.

    Args:
        settings: See `settings_for`.
        pretrained: See `EmbedModel`.
    """

    card: ClassVar[ModelCard] = CARD
    centered: ClassVar[bool] = True
    proxy_of: Tensor
    margin: Tensor

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings, pretrained)
        trained = settings["trained_identities"]
        self.proxies = nn.Parameter(torch.randn(len(trained), settings["dimensions"]))
        places = torch.full((max(trained, default=0) + 1,), -1)
        places[trained] = torch.arange(len(trained))
        self.register_buffer("proxy_of", places, persistent=False)
        self.register_buffer("margin", torch.zeros(()))

    @classmethod
    def settings_for(cls, info: DataInfo, options: EmbedOptions) -> dict[str, Any]:
        """Those of all, and which identities are trained: each has a proxy."""
        trained = [k for k, count in enumerate(info.class_counts) if count]
        return {
            **super().settings_for(info, options),
            "trained_identities": trained,
            "margin": options.margin,
        }

    def loss_of(self, vectors: Tensor, identity: Tensor) -> Tensor:
        """Cross-entropy of scaled cosines, the right one with the margin added to its angle (equation 3).

        Beyond 180 degrees the penalty goes on linearly, as in the authors' code.
        """
        cosines = vectors @ F.normalize(self.proxies, dim=1).T
        target = self.proxy_of[identity]
        right = cosines.gather(1, target[:, None])
        sine = (1 - right.square()).clamp(min=1e-9).sqrt()
        shifted = right * self.margin.cos() - sine * self.margin.sin()
        beyond = right <= -self.margin.cos()
        shifted = torch.where(beyond, right - self.margin * self.margin.sin(), shifted)
        return F.cross_entropy(self._scale * cosines.scatter(1, target[:, None], shifted), target)

    @property
    def _scale(self) -> float:
        """Twice the least scale at which perfectly separated identities get the probability `SURE`.

        Source: Wang et al., CosFace, CVPR 2018, equation 6; the margin takes the other half.
        """
        count = max(2, len(self.proxies))
        return 2 * (count - 1) / count * math.log((count - 1) * SURE / (1 - SURE))

    def on_step_end(self, step: int, progress: float) -> None:
        """Let the margin grow; see `EmbedModel`."""
        super().on_step_end(step, progress)
        self.margin.fill_(self.settings["margin"] * min(1.0, progress / WARM_UP))


MODEL = ArcFace
