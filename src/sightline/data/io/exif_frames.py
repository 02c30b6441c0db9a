"""EXIF rotation of annotations that a tool without EXIF support drew on stored pixels.

Source: CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif", tag Orientation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.data.io.images import probe
from sightline.data.io.pixels import Files
from sightline.errors import DataError, UnreadableImage


def turned(dataset: Dataset) -> tuple[Dataset, int]:
    """Rotate annotations to the upright frame; also returns how many images are concerned.

    Args:
        dataset: Boxes, masks of objects or class maps, in the pixels that are stored.

    Raises:
        DataError: If the target has no positions.
    """
    targets = dataset.targets
    if not targets.located:
        raise DataError(
            f"--exif says in which frame annotations were drawn; {dataset.name} has "
            f"{targets.description}, which "
            "have no place in the image. Leave it out."
        )
    ways = np.array([_orientation(dataset, i) for i in range(len(dataset))], dtype=np.int64)
    sizes = targets.sizes.clone()
    sizes[ways >= 5] = targets.sizes[ways >= 5].flip(1)
    places = [_place(int(way), *size) for way, size in zip(ways, targets.sizes.tolist(), strict=True)]
    turned_targets = targets.turned(torch.stack(places), sizes).compressed() if len(dataset) else targets
    return replace(dataset, targets=turned_targets), int((ways != 1).sum())


def _place(way: int, height: int, width: int) -> torch.Tensor:
    """(2, 3) affine matrix from stored to upright coordinates in pixels; height and width are the stored
    ones.
    """
    wide, high = (height, width) if way >= 5 else (width, height)  # as seen
    x = [0.0, 1.0, 0.0] if way >= 5 else [1.0, 0.0, 0.0]
    y = [1.0, 0.0, 0.0] if way >= 5 else [0.0, 1.0, 0.0]
    if way in (2, 3, 6, 7):
        x = [-x[0], -x[1], float(wide)]
    if way in (3, 4, 7, 8):
        y = [-y[0], -y[1], float(high)]
    return torch.tensor([x, y], dtype=torch.float64)


def _orientation(dataset: Dataset, i: int) -> int:
    """EXIF orientation of an image; 1 if it is no file or cannot be read, which a check reports."""
    if not isinstance(dataset.pixels, Files):
        return 1
    try:
        return probe(dataset.pixels.path(i)).orientation
    except UnreadableImage:
        return 1
