"""Triplet loss: an image is to be nearer to the farthest one of its identity than to the nearest other."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.embed.models._network import OF_PAIRS, TUNED, EmbedModel, distances, same_identity

CARD = ModelCard(
    name="triplet",
    summary="Batch-hard triplets with a soft margin.",
    paper="Hermans, Beyer, Leibe, In Defense of the Triplet Loss for Person Re-Identification, 2017",
    defaults=OF_PAIRS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
    ignores=("margin",),
)
SCALE = 8.0
"""Distances of unit vectors are at most 2: so the soft margin becomes flat only where a triplet is clear."""
FAR = 1e4


class Triplet(EmbedModel):
    """Vectors learnt from the hardest triplet of each image in a batch."""

    card: ClassVar[ModelCard] = CARD

    def loss_of(self, vectors: Tensor, identity: Tensor) -> Tensor:
        """Mean soft margin over the images that have another of their identity, and one of another, in the
        batch (section 2, "batch hard" and "soft margin")."""
        far, same = distances(vectors), same_identity(identity)
        other = identity[:, None] != identity
        hardest = far.masked_fill(~same, 0).amax(1) - far.masked_fill(~other, FAR).amin(1)
        counts = same.any(1) & other.any(1)
        each = F.softplus(SCALE * hardest).where(counts, 0.0)
        return each.sum() / counts.sum().clamp(min=1)


MODEL = Triplet
