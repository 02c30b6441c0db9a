"""Sort as a model; see `runtime/track/sort.py`.

Source: Bewley et al., Simple Online and Realtime Tracking, ICIP 2016.
"""

from __future__ import annotations

from typing import ClassVar

from sightline.core.card import ModelCard
from sightline.tasks.track.models._tracking import TrackingModel

CARD = ModelCard(
    name="sort",
    summary="Kalman filter and one association by overlap; tracks that are not seen end at once.",
    paper="Bewley et al., Simple Online and Realtime Tracking, ICIP 2016",
    trainer="none",
)


class SortModel(TrackingModel):
    """Nothing to train."""

    card: ClassVar[ModelCard] = CARD


MODEL = SortModel
