"""Options of classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.config import Range


@dataclass(frozen=True)
class ClassifyOptions:
    """Settings of classification.

    Args:
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1).
        mixup: Strength (alpha) of mixing pairs of images; 0 is off.
        cutmix: Strength (alpha) of pasting a part of one image into another; 0 is off.
        class_weights: none, or balanced: a class counts in inverse proportion to its images.
    """

    label_smoothing: Annotated[float, Range(0, 1, below=True)] = 0.0
    mixup: Annotated[float, Range()] = 0.0
    cutmix: Annotated[float, Range()] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
