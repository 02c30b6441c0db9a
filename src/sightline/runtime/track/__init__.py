"""Trackers: one file for each method, found by listing the folder. Arrays in, identities out; no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.folder import Folder

if TYPE_CHECKING:
    from .base import Tracker

TRACKERS = Folder(
    __name__, "tracker", exclude=("association", "base", "camera", "kalman", "mosse", "scores", "sequence")
)


def tracker_type(name: str) -> type[Tracker]:
    """The class of a tracker: "bytetrack" is `ByteTrack` in bytetrack.py.

    Raises:
        UnknownName: If there is no such tracker.
    """
    tracker: type[Tracker] = TRACKERS.load(name).TRACKER
    return tracker
