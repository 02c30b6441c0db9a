"""Tables of keypoints with the gray pixels of square images in a column (Kaggle, facial keypoints)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.csv import Columns
from sightline.data.parsing.findings import listed
from sightline.data.parsing.keypoints import surrounding
from sightline.data.parsing.point_rows import points_of
from sightline.errors import DataError

_LEAST = 64
"""Numbers in a cell from which on they are pixels."""
_CLASS = "object"


def pixel_column(table: Columns) -> str | None:
    """The column whose cells hold pixels as numbers between spaces; None where there is none."""
    first = table.rows[0] if table.rows else []
    return next((n for n, cell in zip(table.names, first, strict=True) if _side(cell)), None)


def pixel_table(path: Path, table: Columns, column: str, format: str) -> Dataset:
    """The data set of such a table; an image without a labeled point has no object.

    Raises:
        DataError: If a cell has another number of pixels than the first, or one is no whole number to 255.
    """
    columns, points, messages = points_of(path, table)
    images = _images(path, table, table.column(column))
    side = images.shape[1]
    labeled = (points[:, :, 2] > 0).any(1)
    sizes = np.full((len(images), 2), side)
    boxes, lone = surrounding(points[labeled], sizes[labeled], np.zeros((0, 4)))
    ids = [f"row {n:06d}" for n in range(1, len(images) + 1)]
    points = np.where(points[:, :, 2:] > 0, points, 0.0)[labeled]
    skeleton = Skeleton.from_names(columns.names)
    targets = Keypoints(
        torch.from_numpy(labeled.astype(np.int64)), torch.from_numpy(sizes), torch.from_numpy(boxes).float(),
        torch.zeros(len(boxes), dtype=torch.int64), points=torch.from_numpy(points[:, :, :2]).float(),
        visibility=torch.from_numpy(points[:, :, 2]).to(torch.int8), skeleton=skeleton,
    )  # fmt: skip
    lonely = [ids[i] for i in np.flatnonzero(labeled)[lone]]
    what = "objects have one labeled point and no box; theirs is a square of the median side of the others"
    findings = listed("boxes-of-one-point", "warning", lonely, what, "Label more points of them.")
    notes = [f"{path.name}: the column '{column}' holds images of {side} x {side} pixels.", *messages]
    return Dataset(
        name=path.stem, format=format, ids=ids, pixels=Arrays(images), targets=targets,
        classes=Classes((_CLASS,)), root=path, messages=tuple(notes),
        read_findings=tuple(findings),
    )  # fmt: skip


def _side(cell: str) -> int:
    """Side of the square image whose pixels a cell holds; 0 where it holds something else."""
    count = cell.count(" ") + 1
    side = math.isqrt(count)
    whole = count >= _LEAST and side * side == count and cell.replace(" ", "").isdigit()
    return side if whole else 0


def _images(path: Path, table: Columns, cells: Sequence[str]) -> np.ndarray:
    """(N, side, side, 1) uint8."""
    side = _side(cells[0])
    images = np.empty((len(cells), side, side, 1), np.uint8)
    for image, cell, line in zip(images, cells, table.lines, strict=True):
        values = np.array(cell.split(), dtype=np.int64) if _side(cell) == side else None
        if values is None or values.max() > 255:
            raise DataError(f"{path}: line {line} does not hold {side} x {side} pixels from 0 to 255.")
        image[:] = values.reshape(side, side, 1)
    return images
