"""Settings of the toy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Settings of points.

    Args:
        channels: Of the convolutions.
    """

    channels: int = 8
