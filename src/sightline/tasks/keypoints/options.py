"""Options of keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.config import Range


@dataclass(frozen=True)
class KeypointOptions:
    """Settings of keypoints.

    Args:
        backbone: Network whose feature maps are used, by its name in `sightline models`; own is a small one
            of ours; auto is one with installed weights, where training starts from such.
        reference: Length that PCK is a share of: torso, head, box, or NAME/NAME, the distance of two points;
            auto is the torso where there are such points, else the box.
        crop: What the model is shown: image, all of it, with one object in each; or box, each object cut out
            by its box; auto is box where an image has several objects, else image.
        sigma: Width in cells of the Gaussian around each point that heatmaps and SimCC learn.
    """

    backbone: str = "auto"
    reference: str = "auto"
    crop: Literal["auto", "image", "box"] = "auto"
    sigma: Annotated[float, Range(above=0, below=20)] = 1.5
