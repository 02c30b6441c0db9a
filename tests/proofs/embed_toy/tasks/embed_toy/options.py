"""Settings of the toy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Settings of embedding.

    Args:
        width: Numbers in a vector.
    """

    width: int = 4
