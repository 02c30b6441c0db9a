"""Options of embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sightline.config import Range


@dataclass(frozen=True)
class EmbedOptions:
    """Settings of embedding.

    Args:
        backbone: Network that the vectors come from, by its name in `sightline models`; own is resnet-small;
            auto is one with installed weights, where training starts from such.
        dimensions: Numbers in a vector.
        far: False accept rate: share of pairs of different identities that may be taken for one. The
            threshold is fitted for it.
        margin: Margin: of arcface an angle in radians, of siamese a distance of unit vectors (0 to 2).
    """

    backbone: str = "auto"
    dimensions: Annotated[int, Range(2)] = 128
    far: Annotated[float, Range(0, 1, above=True, below=True)] = 0.01
    margin: Annotated[float, Range(0, 2, above=True)] = 0.5
