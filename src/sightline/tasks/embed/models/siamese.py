"""Siamese network: pairs of one identity are drawn together, others pushed apart up to a margin."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sightline.core.card import ModelCard
from sightline.core.task import DataInfo
from sightline.models.weights import embedded
from sightline.tasks.embed.models._network import OF_PAIRS, TUNED, EmbedModel, distances, same_identity
from sightline.tasks.embed.options import EmbedOptions

CARD = ModelCard(
    name="siamese",
    summary="Contrastive loss on all pairs of a batch.",
    paper="Hadsell, Chopra, LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006",
    defaults=OF_PAIRS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
)


class Siamese(EmbedModel):
    """Vectors learnt from pairs."""

    card: ClassVar[ModelCard] = CARD

    @classmethod
    def settings_for(cls, info: DataInfo, options: EmbedOptions) -> dict[str, Any]:
        """Those of all, and the margin."""
        return {**super().settings_for(info, options), "margin": options.margin}

    def loss_of(self, vectors: Tensor, identity: Tensor) -> Tensor:
        """Squared distance of genuine pairs, and squared lack to the margin of others (equation 4); both
        kinds of pairs weigh alike, and impostor pairs that are beyond the margin do not count."""
        far, same = distances(vectors), same_identity(identity)
        lack = (self.settings["margin"] - far).clamp(min=0).square()
        near = (identity[:, None] != identity) & (lack > 0)
        genuine = far.square().where(same, 0.0).sum() / same.sum().clamp(min=1)
        impostor = lack.where(near, 0.0).sum() / near.sum().clamp(min=1)
        total: Tensor = genuine + impostor
        return total


MODEL = Siamese
