"""Options of action recognition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.config import Range


@dataclass(frozen=True)
class ActionOptions:
    """Settings of action recognition.

    Args:
        frames: Frames of a clip that the model sees, evenly spread in time.
        backbone: Network that sees each frame, for frame-average, gru and lstm: own, or a name; auto is own.
        variant: Network of the model torchvision, such as r3d_18; auto is mc3_18.
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1).
        class_weights: none, or balanced: a class counts in inverse proportion to its clips.
    """

    frames: Annotated[int, Range(1)] = 8
    backbone: str = "auto"
    variant: str = "auto"
    label_smoothing: Annotated[float, Range(0, 1, below=True)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
