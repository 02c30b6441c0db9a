"""Options of instance segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sightline.config import Range


@dataclass(frozen=True)
class InstanceOptions:
    """Settings of instance segmentation.

    Args:
        backbone: Network whose feature maps are used, by its name in `sightline models`; own is the method's;
            auto is one with installed weights, where training starts from such and the method has one.
        variant: Which of a method's networks, where it has several; its card names them.
        conf: Least confidence of a predicted object, in [0, 1); low, so that all recalls are seen.
        nms: Overlap above which the worse of two boxes of a class goes, in [0, 1]; at 1 none goes.
        max_objects: Most objects predicted in an image.
        mosaic: Share of training images that are put together from parts of four, in [0, 1].
        mosaic_until: Share of training after which there are no more mosaics, in [0, 1].
        multiscale: Largest change of the input size from batch to batch, as a share of it, in [0, 1).
    """

    backbone: str = "auto"
    variant: str | None = None
    conf: Annotated[float, Range(0, 1, below=True)] = 0.01
    nms: Annotated[float, Range(0, 1)] = 0.7
    max_objects: Annotated[int, Range(1)] = 300
    mosaic: Annotated[float, Range(0, 1)] = 0.5
    mosaic_until: Annotated[float, Range(0, 1)] = 0.8
    multiscale: Annotated[float, Range(0, 1, below=True)] = 0.0
