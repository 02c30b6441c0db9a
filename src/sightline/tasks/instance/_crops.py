"""Masks as grids over boxes: targets and predictions of two-stage methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.ops import grids
from sightline.ops.grids import Floats

SIDE = 28
"""Cells of a side, as in the paper of Mask R-CNN."""


def cells(masks: CroppedMasks, boxes: Tensor, side: int = SIDE) -> Tensor:
    """(M, S, S) share of each grid cell over a box that the object covers; exact, without sampling.

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
    """(side, length) share of each cell between low and high that lies in each pixel from `start` on."""
    edges = np.linspace(low, high, side + 1)
    pixel = start + np.arange(length)
    both = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(both.clip(min=0) * (side / (high - low)), dtype=np.float32)


def pasted(masks: Tensor, boxes: Tensor, size: Sequence[int]) -> CroppedMasks:
    """Masks from grids over boxes; see `grids.pasted`.

    Args:
        masks: (M, S, S) in [0, 1].
        boxes: (M, 4) in pixels of the image, with an area.
        size: Height and width of the image.
    """
    values, where = masks.detach().float().cpu().numpy(), boxes.detach().cpu().double().numpy()
    parts = [grids.pasted(grid, box, size) for grid, box in zip(values, where, strict=True)]
    bitmaps = CroppedMasks.of([mask for _, _, mask in parts])
    corners = torch.tensor([part[:2] for part in parts], dtype=torch.int64).reshape(-1, 2)
    return CroppedMasks(bitmaps.corners + corners, bitmaps.crops)
