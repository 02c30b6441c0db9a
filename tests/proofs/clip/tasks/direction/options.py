"""Settings that only this task has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Settings of the direction of motion.

    Args:
        frames: Frames of a clip that are looked at.
    """

    frames: int = 6
