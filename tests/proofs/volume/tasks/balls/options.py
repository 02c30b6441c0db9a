"""Settings that only this task has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """None.

    Args:
        width: Maps of the first convolution.
    """

    width: int = 8
