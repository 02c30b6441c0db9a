"""ByteTrack: sure boxes are associated first, the others only continue tracks that are left.

Sources: Zhang et al., ByteTrack: Multi-Object Tracking by Associating Every Detection Box, ECCV 2022,
algorithm 1. Overlap of boxes with a margin: Yang et al., Hard to Track Objects with Irregular Motions and
Similar Appearances? Make It Easier by Buffering the Matching Space, WACV 2023. Overlap times ratio of
heights: Yang et al., Hybrid-SORT, AAAI 2024, section 3.3.
"""

from __future__ import annotations

import numpy as np

from .association import grown, height_ratio, iou, pairs
from .base import NONE, Ids, Tracker
from .kalman import Floats

MARGIN = 0.3
"""Margin on each side of a box, in shares of its width and height: fast and small objects overlap too."""
GROWTH, MOST = 0.05, 10.0
"""What a frame without the object adds to the margin of its track, and up to how many frames."""


class ByteTrack(Tracker):
    """Two associations by overlap with the place where the Kalman filter expects a track."""

    def associate(self, boxes: Floats, scores: Floats) -> Ids:
        """(M,) the track of each box, `NONE` for none."""
        owner = np.full(len(boxes), NONE)
        expected = self.filter.boxes
        margin = MARGIN + GROWTH * np.clip(self.unseen - 1, 0, MOST)
        overlap = iou(grown(expected, margin), grown(boxes, MARGIN)) * height_ratio(expected, boxes)
        allowed = overlap >= self.settings.min_iou
        sure = scores >= self.settings.first_score
        first = allowed & sure
        rows, columns = pairs(self.worth(overlap, first), first)
        owner[columns] = rows
        allowed[rows] = False
        rows, columns = pairs(overlap, allowed & ~sure)
        owner[columns] = rows
        return owner


TRACKER = ByteTrack
