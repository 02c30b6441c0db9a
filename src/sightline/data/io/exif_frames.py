"""EXIF rotation of annotations that a tool without EXIF support drew on stored pixels.

Source: CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif", tag Orientation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import Masks
from sightline.data.io.images import probe
from sightline.data.io.pixels import Files
from sightline.errors import DataError, UnreadableImage


def turned(dataset: Dataset) -> tuple[Dataset, int]:
    """Rotate annotations to the upright frame; also returns how many images are concerned.

    Args:
        dataset: Boxes, masks of objects or class maps, in the pixels that are stored.

    Raises:
        DataError: If the truth has no positions.
    """
    targets = dataset.targets
    if not isinstance(targets, Instances | Masks):
        raise DataError(
            f"--exif says in which frame annotations were drawn; {dataset.name} has {targets.says}, which "
            "have no place in the picture. Leave it out."
        )
    ways = np.array([_orientation(dataset, i) for i in range(len(dataset))], dtype=np.int64)
    which = np.flatnonzero(ways != 1).tolist()
    sizes = targets.sizes.clone()
    sizes[ways >= 5] = targets.sizes[ways >= 5].flip(1)
    if isinstance(targets, Masks):
        maps = list(targets.maps)
        for i in which:
            maps[i] = torch.from_numpy(np.ascontiguousarray(seen(targets.map(i), int(ways[i]))))
        return replace(dataset, targets=Masks(sizes, tuple(maps)).packed()), len(which)
    places = torch.stack(
        [_place(int(way), *size) for way, size in zip(ways, targets.sizes.tolist(), strict=True)]
    )
    matrix = places[targets.image]
    corners = targets.boxes.double().view(-1, 2, 2) @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    boxes = torch.cat([corners.amin(1), corners.amax(1)], 1).to(targets.boxes)
    masks = None
    if targets.masks is not None:
        masks = targets.masks.moved(places[targets.image], sizes[targets.image])
    return replace(dataset, targets=replace(targets, boxes=boxes, sizes=sizes, masks=masks)), len(which)


def seen(stored: np.ndarray, way: int) -> np.ndarray:
    """Apply an EXIF orientation (1 to 8) to stored pixels (H, W)."""
    oriented = stored.T if way >= 5 else stored
    rows = slice(None, None, -1) if way in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if way in (2, 3, 6, 7) else slice(None)
    return oriented[rows, columns]


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
