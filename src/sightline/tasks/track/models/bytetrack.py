"""ByteTrack as a model; see `runtime/track/bytetrack.py`.

Source: Zhang et al., ByteTrack, ECCV 2022.
"""

from __future__ import annotations

from typing import ClassVar

from sightline.core.card import ModelCard
from sightline.tasks.track.models._tracking import TrackingModel

CARD = ModelCard(
    name="bytetrack",
    summary="Sure detections are associated first, the others only continue tracks.",
    paper="Zhang et al., ByteTrack, ECCV 2022",
    trainer="none",
)


class ByteTrackModel(TrackingModel):
    """Nothing to train."""

    card: ClassVar[ModelCard] = CARD


MODEL = ByteTrackModel
