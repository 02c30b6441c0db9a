"""Options of regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.config import Range


@dataclass(frozen=True)
class RegressOptions:
    """Settings of regression.

    Args:
        loss: mse (squared error), mae (absolute error) or huber (between the two).
        mixup: Strength (alpha) of mixing pairs of images and their numbers; 0 is off.
    """

    loss: Literal["mse", "mae", "huber"] = "huber"
    mixup: Annotated[float, Range()] = 0.0
