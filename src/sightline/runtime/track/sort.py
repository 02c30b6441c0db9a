"""SORT: one association by overlap; a track that is not seen in two frames in a row ends.

Source: Bewley et al., Simple Online and Realtime Tracking, ICIP 2016.
"""

from __future__ import annotations

import numpy as np

from .association import iou, pairs
from .base import NONE, Ids, Tracker, TrackSettings
from .kalman import Floats


class Sort(Tracker):
    """The classical tracker, with the overlap and the patience of its paper; weak boxes are not used."""

    defaults = TrackSettings(first_score=0.8, min_iou=0.3, max_unseen=1.0, min_hits=3)

    def associate(self, boxes: Floats, scores: Floats) -> Ids:
        """(M,) the track of each box, `NONE` for none."""
        owner = np.full(len(boxes), NONE)
        overlap = iou(self.filter.boxes, boxes)
        allowed = (overlap >= self.settings.min_iou) & (scores >= self.settings.first_score)
        rows, columns = pairs(self.worth(overlap, allowed), allowed)
        owner[columns] = rows
        return owner


TRACKER = Sort
