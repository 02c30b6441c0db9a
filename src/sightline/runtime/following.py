"""Identities of the objects of an exported model over the frames of films and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from ..errors import UsageError
from .session import Answer, Session
from .track import tracker_type
from .track.base import RATE, Tracker

_MARK = re.compile(r"#\d{6,}$")


class Following:
    """Gives the objects of frames an identity, one film or folder after the other, as `predict --track`.

    Args:
        tracker: Name of the tracker.
        session: Of the model.

    Raises:
        UsageError: If the model does not look for objects.
        UnknownName: If there is no such tracker.
    """

    def __init__(self, tracker: str, session: Session) -> None:
        if session.thresholds is None:
            raise UsageError("--track follows objects; this model says one thing of the whole image.")
        self._type, self._session, self._thresholds = tracker_type(tracker), session, session.thresholds
        self._tracker: Tracker | None = None
        self._sequence, self._last = "", -np.inf

    def follow(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """The answers with only the objects that are tracked, and their identities."""
        for answer in answers:
            yield self._followed(answer, self._tracker_of(answer))

    def _tracker_of(self, answer: Answer) -> Tracker:
        """The tracker of the film or folder of a frame; a new one begins with each."""
        sequence = sequence_of(answer.id)
        if self._tracker is None or sequence != self._sequence:
            self._tracker, self._sequence = self._type(rate=answer.rate or RATE), sequence
            self._last = -np.inf
        return self._tracker

    def _followed(self, answer: Answer, tracker: Tracker) -> Answer:
        if answer.error:
            if answer.seconds is None:  # time goes on in a folder with a file that cannot be read
                tracker.update(np.zeros((0, 4)))
            return answer
        seconds = answer.seconds
        if seconds is not None and seconds <= self._last:
            seconds = None  # some decoders stamp all frames alike: then they are counted
        self._last = self._last if seconds is None else seconds
        objects = answer.prediction
        ids = tracker.follow(objects.boxes, objects.scores, objects.labels, self._thresholds, seconds)
        tracked = ids > 0
        voted = tracker.classes(ids[tracked])
        prediction = replace(objects.at(tracked), ids=ids[tracked], labels=voted)
        row = prediction.record(self._session.names, self._session.card.get("outputs") or ())
        return replace(answer, prediction=prediction, row=row)


def sequence_of(name: str) -> str:
    """What an image is a frame of, by its name: a film or TIFF, as in "film.mp4#000123", else its folder."""
    mark = _MARK.search(name)
    return name[: mark.start()] if mark else str(PurePath(name).parent)


def mot_lines(frame: int, prediction: Any) -> str:
    """The tracked objects of a frame as lines of MOTChallenge: frame,id,left,top,width,height,score,-1,-1,-1.

    Args:
        frame: From 1.
        prediction: Objects with `ids`.
    """
    boxes = prediction.boxes.astype(np.float64)
    rows: Sequence[Sequence[float]] = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()
    each = zip(prediction.ids.tolist(), rows, prediction.scores.tolist(), strict=True)
    return "".join(
        f"{frame},{k},{','.join(f'{v:.3f}' for v in row)},{score:.5f},-1,-1,-1\n" for k, row, score in each
    )
