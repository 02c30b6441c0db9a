"""Base class of trackers: boxes of one frame after the other in, the identity of each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .association import or_alike
from .kalman import BoxFilter, Floats
from .scores import calibrated

Ids = NDArray[np.int64]
Looks = Callable[[NDArray[np.int64]], Floats]
"""From the indices (K,) of boxes of a frame to their features (K, D), of length 1."""

NONE = -1
"""Identity of a box that is part of no track."""
RATE = 25.0
"""Frames a second where nothing says it."""
MEMORY = 0.9
"""Weight of the past in the features of a track, as in BoT-SORT."""


@dataclass(frozen=True)
class TrackSettings:
    """Settings of all trackers.

    Args:
        least_score: Boxes with a lower score are left out, in [0, 1].
        first_score: Lowest score of a box that is associated first, in [0, 1].
        start_score: Lowest score of a box that may begin a track, in [0, 1].
        min_iou: Least overlap of a box with the place where a track is expected, in [0, 1].
        max_unseen: Frames after which a track that was not seen ends.
        min_hits: Boxes in a row with which a track gets its identity.
    """

    least_score: float = 0.1
    first_score: float = 0.4
    start_score: float = 0.8
    min_iou: float = 0.1
    max_unseen: float = 30.0
    min_hits: int = 1

    def by_rank(self) -> TrackSettings:
        """For scores that are ranks: nothing is left out, and the best half of all may begin a track."""
        first, start = min(self.first_score, 0.4), min(self.start_score, 0.5)
        return replace(self, least_score=0.0, first_score=first, start_score=start)


class Tracker(ABC):
    """Tracker of one film. Its state is arrays with a row for each track, no object for each.

    Identities begin at 1, none is left out, and none is used again. Two films need two trackers, or `reset`.

    Args:
        settings: See `TrackSettings`; by default those of the method.
        rate: Frames a second, by which time stamps become frames.

    Attributes:
        defaults: Settings of the method.
        filter: Where the T tracks are believed to be.
        ids: (T,) identity of each track, `NONE` until it has one.
        unseen: (T,) frames since each was seen.
        hits: (T,) boxes of each so far.
        votes: (T, K) sum of the scores by which each track was said to be of each class.
        looks: (T, D) features of each track, of length 1, or zeros; D is 0 where appearance does not count.
    """

    defaults: ClassVar[TrackSettings] = TrackSettings()

    def __init__(self, settings: TrackSettings | None = None, rate: float = RATE) -> None:
        self.settings = settings or self.defaults
        self.rate = rate
        self.reset()

    def reset(self) -> None:
        """Forget all tracks: another film begins."""
        self.filter = BoxFilter()
        self.ids: Ids = np.zeros(0, dtype=np.int64)
        self.unseen: Floats = np.zeros(0)
        self.hits: Ids = np.zeros(0, dtype=np.int64)
        self.votes: Floats = np.zeros((0, 1))
        self.looks: Floats = np.zeros((0, 0))
        self._looks: Floats = np.zeros((0, 0))
        self.count = 0
        self._time: float | None = None

    @abstractmethod
    def associate(self, boxes: Floats, scores: Floats) -> Ids:
        """(M,) the track of each box, `NONE` for none; the filters are at the time of the boxes."""

    def move(self, motion: Floats) -> None:
        """Move what is expected with the image, before the boxes of a frame are taken in.

        Args:
            motion: (2, 3) similarity from places x, y in the last frame to those in this one; see
                `runtime.track.camera`.
        """
        self.filter.warp(motion)

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        seconds: float | None = None,
        looks: Looks | None = None,
    ) -> Ids:
        """Take in the boxes of the next frame; a frame without boxes must be given too.

        Args:
            boxes: (M, 4) x1, y1, x2, y2 in pixels.
            scores: (M,) in [0, 1]; by default all are 1.
            labels: (M,) class of each.
            seconds: Time of the frame; by default each frame is 1 / `rate` after the last.
            looks: What boxes look like; asked for those that are associated first. By default that does not
                count.

        Returns:
            (M,) identity of each box, from 1; `NONE` for a box of no track.

        Raises:
            ValueError: If shapes do not agree, or time goes back.
        """
        places = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        sure = np.ones(len(places)) if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1)
        classes = np.zeros(len(places), int) if labels is None else np.asarray(labels, dtype=np.int64)
        if not len(places) == len(sure) == len(classes):
            raise ValueError(f"Of {len(places)} boxes, {len(sure)} have a score and {len(classes)} a class.")
        result = np.full(len(places), NONE)
        used = np.flatnonzero(sure >= self.settings.least_score)
        places, sure, classes = places[used], sure[used], classes[used]
        self._look(looks, used, sure)
        step = self._step(seconds)
        self.filter.predict(step)
        self.unseen += step
        owner = self.associate(places, sure)
        self._take(owner, places)
        self._begin(owner, places, sure)
        self._vote(owner, classes, sure)
        owned = owner >= 0
        result[used[owned]] = self.ids[owner[owned]]
        self._end()
        return result

    def follow(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        labels: NDArray[np.int64],
        thresholds: ArrayLike,
        seconds: float | None = None,
        looks: Looks | None = None,
    ) -> Ids:
        """As `update`, of objects that a model finds.

        Scores are stretched so that the threshold of a class, chosen on the validation images, is the score
        that may begin a track; weaker objects only continue one.

        Args:
            boxes: (M, 4) x1, y1, x2, y2 in pixels.
            scores: (M,) in [0, 1].
            labels: (M,) class of each.
            thresholds: Score threshold, for each class or all.
            seconds: Time of the frame; by default each frame is 1 / `rate` after the last.
            looks: What boxes look like; by default that does not count.
        """
        cut = np.asarray(thresholds, dtype=np.float64)
        sure = calibrated(scores, cut[labels] if cut.ndim else cut, self.settings.start_score)
        return self.update(boxes, sure, labels, seconds, looks)

    def classes(self, ids: ArrayLike) -> Ids:
        """(M,) class of identities that tracks have now, by the vote of their boxes."""
        rows = {int(k): i for i, k in enumerate(self.ids)}
        return np.array([self.votes[rows[int(k)]].argmax() for k in np.asarray(ids)], dtype=np.int64)

    def worth(self, overlap: Floats, allowed: NDArray[np.bool_]) -> Floats:
        """(T, M) what pairs of tracks and boxes are worth: overlap or, where it says more, appearance."""
        return or_alike(overlap, allowed, self.looks, self._looks) if self.looks.shape[1] else overlap

    def _look(self, looks: Looks | None, used: Ids, scores: Floats) -> None:
        """Look at the boxes of a frame that are sure enough; the others have zeros."""
        rows = np.flatnonzero(scores >= self.settings.first_score)
        if looks is None or not len(rows):
            self._looks = np.zeros((len(used), self.looks.shape[1]))
            return
        features = np.asarray(looks(used[rows]), dtype=np.float64)
        if self.looks.shape[1] != features.shape[1]:
            self.looks = np.zeros((len(self.ids), features.shape[1]))
        self._looks = np.zeros((len(used), features.shape[1]))
        self._looks[rows] = features

    def _step(self, seconds: float | None) -> float:
        """Frames since the last one."""
        last, self._time = self._time, seconds
        if seconds is None or last is None:
            return 1.0
        if seconds < last:
            raise ValueError(f"Frames must come in the order of time: {seconds} s follows {last} s.")
        return (seconds - last) * self.rate

    def _take(self, owner: Ids, boxes: Floats) -> None:
        """Correct the tracks that were seen."""
        owned = owner >= 0
        rows = owner[owned]
        self.filter.update(rows, boxes[owned])
        self.unseen[rows] = 0
        self.hits[rows] += 1
        visible = self._looks[owned].any(1)
        past, now = self.looks[rows[visible]], self._looks[owned][visible]
        mixed = np.where(past.any(1, keepdims=True), MEMORY * past + (1 - MEMORY) * now, now)
        self.looks[rows[visible]] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True).clip(min=1e-12)

    def _begin(self, owner: Ids, boxes: Floats, scores: Floats) -> None:
        """Begin tracks at the boxes that have none and are sure enough; `owner` gets them."""
        new = np.flatnonzero((owner < 0) & (scores >= self.settings.start_score))
        owner[new] = len(self.ids) + np.arange(len(new))
        self.filter.add(boxes[new])
        self.looks = np.concatenate([self.looks, self._looks[new]])
        self.ids = np.concatenate([self.ids, np.full(len(new), NONE)])
        self.unseen = np.concatenate([self.unseen, np.zeros(len(new))])
        self.hits = np.concatenate([self.hits, np.ones(len(new), dtype=np.int64)])
        named = np.flatnonzero((self.ids == NONE) & (self.hits >= self.settings.min_hits))
        self.ids[named] = self.count + 1 + np.arange(len(named))
        self.count += len(named)

    def _vote(self, owner: Ids, labels: Ids, scores: Floats) -> None:
        """Count the classes of the boxes for their tracks."""
        classes = max(self.votes.shape[1], int(labels.max(initial=0)) + 1)
        votes = np.zeros((len(self.ids), classes))
        votes[: len(self.votes), : self.votes.shape[1]] = self.votes
        owned = owner >= 0
        votes[owner[owned], labels[owned]] += np.maximum(scores[owned], 1e-6)
        self.votes = votes

    def _end(self) -> None:
        """Let tracks go that were not seen for long, and those without an identity that were missed once."""
        alive = (self.unseen <= self.settings.max_unseen) & ((self.ids != NONE) | (self.unseen == 0))
        if alive.all():
            return
        self.keep(alive)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Keep the tracks of a (T,) mask."""
        self.filter.keep(rows)
        self.ids, self.unseen, self.hits = self.ids[rows], self.unseen[rows], self.hits[rows]
        self.votes, self.looks = self.votes[rows], self.looks[rows]
