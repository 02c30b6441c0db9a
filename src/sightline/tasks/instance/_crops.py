"""Masks as grids over boxes, which is how methods that look into boxes learn and say them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets.bitmaps import Bitmaps

SIDE = 28
"""Cells of a side, as in the paper of Mask R-CNN."""
LEAST = 0.5
"""What a pixel of an object must have at least."""

Floats = NDArray[np.float32]


def cells(masks: Bitmaps, boxes: Tensor, side: int = SIDE) -> Tensor:
    """How much of each cell of a grid over a box its object covers; exact, without sampling.

    Args:
        masks: M objects.
        boxes: (M, 4) the boxes, which need not be those around the objects; with an area.
        side: Cells of a side.

    Returns:
        (M, side, side) float32 in [0, 1], on the device of the boxes.
    """
    grids = np.zeros((len(masks), side, side), dtype=np.float32)
    where = boxes.detach().cpu().double().numpy()
    for grid, (x, y, crop), (x1, y1, x2, y2) in zip(grids, masks, where, strict=True):
        rows = _shares(y1, y2, side, y, crop.shape[0])
        columns = _shares(x1, x2, side, x, crop.shape[1])
        grid[:] = rows @ crop.astype(np.float32) @ columns.T
    return torch.from_numpy(grids).to(boxes.device)


def _shares(low: float, high: float, side: int, start: int, length: int) -> Floats:
    """(side, length): the share of each cell between low and high that lies in each pixel from `start` on."""
    edges = np.linspace(low, high, side + 1)
    pixel = start + np.arange(length)
    both = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(both.clip(min=0) * (side / (high - low)), dtype=np.float32)


def pasted(grids: Tensor, boxes: Tensor, size: Sequence[int]) -> Bitmaps:
    """Objects from what is said of each cell of a grid over their boxes: bilinear between the cells' centres.

    Beyond the outermost centres it falls to 0 within a cell, so that a mask may reach half a cell over
    its box, as torchvision and Detectron2 have it. Boxes are not rounded to whole pixels first.

    Args:
        grids: (M, S, S) in [0, 1]; a pixel with at least 0.5 belongs to the object.
        boxes: (M, 4) in pixels of the picture, with an area.
        size: Height and width of the picture.
    """
    maps, corners = [], []
    values, where = grids.detach().float().cpu().numpy(), boxes.detach().cpu().double().numpy()
    for grid, (x1, y1, x2, y2) in zip(values, where, strict=True):
        rows, top = _between(y1, y2, grid.shape[0], size[0])
        columns, left = _between(x1, x2, grid.shape[1], size[1])
        maps.append(rows @ grid @ columns.T >= LEAST)
        corners.append([left, top])
    bitmaps = Bitmaps.of(maps)
    return Bitmaps(bitmaps.corners + torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), bitmaps.crops)


def _between(low: float, high: float, side: int, length: int) -> tuple[Floats, int]:
    """(pixels, side) weights of the cells between low and high in the pixels near; and the first pixel."""
    cell = (high - low) / side
    first = min(max(0, int(np.floor(low - cell))), length)
    last = min(max(first, int(np.ceil(high + cell))), length)
    place = (np.arange(first, last) + 0.5 - low) / cell - 0.5
    weights = 1 - np.abs(place[:, None] - np.arange(side))
    return np.asarray(weights.clip(min=0), dtype=np.float32), first
