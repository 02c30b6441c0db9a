"""Options of tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sightline.config import Range, Tunable


@dataclass(frozen=True)
class TrackTaskOptions:
    """Settings of tracking; None takes that of the tracker.

    Args:
        least_score: Detections with a lower score are left out, in [0, 1].
        first_score: Lowest score of a detection that is associated first, in [0, 1].
        start_score: Lowest score of a detection that may begin a track, in [0, 1].
        min_iou: Least overlap of a detection with the place where a track is expected, in [0, 1].
        max_unseen: Frames after which a track that was not seen ends.
        min_hits: Detections in a row after which a track gets its identity.
        fill_gaps: Gaps of tracks up to so many frames are filled along straight lines.
    """

    least_score: Annotated[float | None, Range(0, 1), Tunable(0, 0.5)] = None
    first_score: Annotated[float | None, Range(0, 1), Tunable(0.1, 0.9)] = None
    start_score: Annotated[float | None, Range(0, 1), Tunable(0.2, 0.95)] = None
    min_iou: Annotated[float | None, Range(0, 1), Tunable(0.02, 0.5)] = None
    max_unseen: Annotated[float | None, Range(0), Tunable(1, 90)] = None
    min_hits: Annotated[int | None, Range(1)] = None
    fill_gaps: Annotated[int, Range(0)] = 0
