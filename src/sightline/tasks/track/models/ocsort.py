"""OcSort as a model; see `runtime/track/ocsort.py`.

Source: Cao et al., Observation-Centric SORT, CVPR 2023.
"""

from __future__ import annotations

from typing import ClassVar

from sightline.core.card import ModelCard
from sightline.tasks.track.models._tracking import TrackingModel

CARD = ModelCard(
    name="ocsort",
    summary="The direction of motion counts, and tracks that are found again are corrected.",
    paper="Cao et al., Observation-Centric SORT, CVPR 2023",
    trainer="none",
)


class OcSortModel(TrackingModel):
    """Nothing to train."""

    card: ClassVar[ModelCard] = CARD


MODEL = OcSortModel
