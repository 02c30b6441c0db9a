"""Options of semantic segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SemanticOptions:
    """Settings of semantic segmentation.

    Args:
        backbone: Network whose feature maps are used, by its name in `sightline models`; own is the method's;
            auto is one with installed weights, where training starts from such and the method has one.
        variant: Which of a method's networks, where it has several; its card names them.
        loss: A loss, or a weighted sum of several: ce+jaccard, ce+0.5*dice. One of ce, jaccard, lovasz, dice,
            tversky, focal, boundary, touching.
        class_weights: none, or balanced: classes with fewer pixels count more in the loss.
        up: How our own decoders enlarge maps: nearest, bilinear (smooth), or transposed (learnt; it may leave
            a chequered pattern).
    """

    backbone: str = "auto"
    variant: str | None = None
    loss: str = "ce"
    class_weights: Literal["none", "balanced"] = "none"
    up: Literal["nearest", "bilinear", "transposed"] = "bilinear"
