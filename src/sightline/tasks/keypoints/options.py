"""Options of keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.config import Range


@dataclass(frozen=True)
class KeypointOptions:
    """Settings of keypoints.

    Args:
        backbone: Network whose feature maps are used, by its name in `sightline models`; own is the method's;
            auto is one with installed weights, where training starts from such.
        reference: Length that PCK is a share of: torso, head, box, or NAME/NAME, the distance of two points;
            auto is the torso where there are such points, else the box.
        crop: What a model that places one object is shown: image, all of it, with one object in each; or
            box, each object cut out by its box; auto is box where an image has several objects, else image.
            A YOLO is always shown images.
        sigma: Width in cells of the Gaussian around each point that heatmaps and SimCC learn.
        conf: Least confidence of an object of a YOLO, in [0, 1); low, so that all recalls are seen.
        nms: Overlap above which the worse of two boxes of a YOLO goes, in [0, 1]; at 1 none goes, and the
            scores are read that need no suppression.
        max_objects: Most objects that a YOLO predicts in an image.
        mosaic: Share of a YOLO's training images that are put together from parts of four, in [0, 1].
        mosaic_until: Share of training after which there are no more mosaics, in [0, 1].
    """

    backbone: str = "auto"
    reference: str = "auto"
    crop: Literal["auto", "image", "box"] = "auto"
    sigma: Annotated[float, Range(above=0, below=20)] = 1.5
    conf: Annotated[float, Range(0, 1, below=True)] = 0.01
    nms: Annotated[float, Range(0, 1)] = 0.7
    max_objects: Annotated[int, Range(1)] = 100
    mosaic: Annotated[float, Range(0, 1)] = 0.5
    mosaic_until: Annotated[float, Range(0, 1)] = 0.8
