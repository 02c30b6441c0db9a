"""OC-SORT: the direction of motion counts, and what was observed is trusted more than what was expected.

Source: Cao et al., Observation-Centric SORT, CVPR 2023: direction (section 4.2), recovery (4.3), re-update of
the filter along a straight line between two observations (4.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .association import iou, pairs
from .base import NONE, Ids, Tracker, TrackSettings
from .kalman import BoxFilter, Floats, to_centers

SPAN = 3
"""Observations back from which the direction of a track is measured."""
INERTIA = 0.2
"""Weight of the direction beside the overlap."""


class OcSort(Tracker):
    """Association by overlap and direction, then by the last observation for what is left.

    Attributes:
        past: (SPAN + 1, T, 4) last observed boxes of each track, the latest last.
        frozen: (5, T, 4) state of the filter at the last observation.
    """

    defaults = TrackSettings(min_iou=0.3)

    def reset(self) -> None:
        """Forget all tracks: another film begins."""
        super().reset()
        self.past: Floats = np.zeros((SPAN + 1, 0, 4))
        self.frozen: Floats = np.zeros((5, 0, 4))

    def move(self, motion: Floats) -> None:
        """Move what is expected and what was observed with the image."""
        super().move(motion)
        for boxes in self.past:
            observed = BoxFilter()
            observed.add(boxes)
            observed.warp(motion)
            boxes[:] = observed.boxes
        frozen = BoxFilter()
        frozen.state = self.frozen
        frozen.warp(motion)

    def associate(self, boxes: Floats, scores: Floats) -> Ids:
        """(M,) the track of each box, `NONE` for none."""
        owner = np.full(len(boxes), NONE)
        sure = scores >= self.settings.first_score
        overlap = iou(self.filter.boxes, boxes)
        allowed = (overlap >= self.settings.min_iou) & sure
        i, j = np.nonzero(allowed)
        worth = np.zeros_like(overlap)
        near = self.worth(overlap, allowed)[i, j]
        worth[i, j] = np.maximum(near + INERTIA * scores[j] * self._alignment(i, boxes[j]), 1e-6)
        rows, columns = pairs(worth, allowed)
        owner[columns] = rows
        rest = iou(self.past[-1], boxes)
        free = (rest >= self.settings.min_iou) & (owner < 0)
        free[rows] = False
        rows, columns = pairs(rest, free & sure)
        owner[columns] = rows
        taken = np.zeros(len(self.ids), dtype=bool)
        taken[owner[owner >= 0]] = True
        rows, columns = pairs(rest, free & ~sure & ~taken[:, None])
        owner[columns] = rows
        return owner

    def _alignment(self, tracks: Ids, boxes: Floats) -> Floats:
        """(P,) in [-0.5, 0.5]: how well the way of a track (P,) to a box (P, 4) goes on in its direction."""
        last, first = (to_centers(self.past[k][tracks])[:, :2] for k in (-1, 0))
        way, onward = last - first, to_centers(boxes)[:, :2] - first
        lengths = np.linalg.norm(way, axis=1) * np.linalg.norm(onward, axis=1)
        cosine = (way * onward).sum(1) / np.maximum(lengths, 1e-6)
        aligned: Floats = np.where(lengths > 0, 0.5 - np.arccos(np.clip(cosine, -1, 1)) / np.pi, 0)
        return aligned

    def _take(self, owner: Ids, boxes: Floats) -> None:
        """Correct the tracks that were seen; filters of those seen again go along a straight line first."""
        owned = owner >= 0
        rows, observed = owner[owned], boxes[owned]
        gaps = np.rint(self.unseen[rows]).astype(int)
        again = gaps > 1
        if again.any():
            self._go_again(rows[again], observed[again], gaps[again])
        super()._take(owner, boxes)
        self.past[:-1, rows] = self.past[1:, rows]
        self.past[-1, rows] = observed
        self.frozen[:, rows] = self.filter.state[:, rows]

    def _go_again(self, rows: Ids, observed: Floats, gaps: Ids) -> None:
        """Filters of tracks (R,) from their last observation to the time of this one (R, 4)."""
        start = self.past[-1][rows]
        again = BoxFilter()
        again.state = self.frozen[:, rows]
        for step in range(1, int(gaps.max()) + 1):
            moving = np.flatnonzero(gaps >= step)
            again.predict(1.0, moving)
            between = moving[gaps[moving] > step]
            share = (step / gaps[between])[:, None]
            again.update(between, start[between] + share * (observed - start)[between])
        self.filter.state[:, rows] = again.state

    def _begin(self, owner: Ids, boxes: Floats, scores: Floats) -> None:
        """Begin tracks; their first box is all of their past."""
        before = len(self.ids)
        super()._begin(owner, boxes, scores)
        new = np.flatnonzero(owner >= before)
        born: Floats = boxes[new][np.argsort(owner[new])]
        self.past = np.concatenate([self.past, np.broadcast_to(born, (SPAN + 1, *born.shape))], 1)
        self.frozen = np.concatenate([self.frozen, self.filter.state[:, before:]], 1)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Keep the tracks of a (T,) mask."""
        super().keep(rows)
        self.past, self.frozen = self.past[:, rows], self.frozen[:, rows]


TRACKER = OcSort
