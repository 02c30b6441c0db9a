"""YOLACT masks: each mask is a weighted sum of prototype maps; each object has coefficients.

Source: Bolya et al., YOLACT: Real-time Instance Segmentation, ICCV 2019, sections 3.1 to 3.3. There are
three differences. Prototypes may be negative. Masks are cropped one cell wider than the box, in training
too, so that pixels beside an edge are learned. Masks are upsampled before the sigmoid.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.models.detection.assigner import Assigned
from sightline.models.heads.branches import Branch
from sightline.models.layers.conv import ConvNorm, Separable
from sightline.ops.topk import leading

COUNT = 32
"""Prototypes, as in the paper."""
STRIDE = 4
"""Pixels of the image to a side of a cell of the prototypes."""
MARGIN = 1
"""Cells around a box that belong to what is cut out."""
MAX_MASKS = 100
"""Places of an image whose masks are learnt from at a time: memory grows with them."""
GAIN = 2.5
"""Weight of the loss; that of the boxes."""


class Prototypes(nn.Sequential):
    """Prototype network on the finest map: (B, C, H, W) to (B, COUNT, 2 H, 2 W).

    Full convolutions stay at the coarser stride: there they cost a quarter.

    Args:
        channels: Channels that come in.
        hidden: Channels in between.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(
            ConvNorm(channels, hidden),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            Separable(hidden, hidden),
            nn.Conv2d(hidden, COUNT, 1),
        )


def coefficients() -> Branch:
    """Branch of the mask coefficients at every anchor point; a hyperbolic tangent follows (section 3.1)."""
    return Branch(COUNT, light=True, depth=2)


def shares(masks: CroppedMasks, height: int, width: int) -> Tensor:
    """Downsampled masks: (M, height, width) float32, the share of each cell that the object covers.

    Shares, not yes or no: a threshold would move edges by up to half a cell, and whether any pixel is the
    object by up to a whole one. So an edge within a cell comes back when masks are enlarged.
    """
    shares_found = np.zeros((len(masks), height, width), dtype=np.float32)
    for cells, (x, y, crop) in zip(shares_found, masks, strict=True):
        h, w = crop.shape
        (top, above), (left, before) = divmod(y, STRIDE), divmod(x, STRIDE)
        grid = np.pad(crop, ((above, -(above + h) % STRIDE), (before, -(before + w) % STRIDE)))
        rows, columns = grid.shape[0] // STRIDE, grid.shape[1] // STRIDE
        covered = grid.reshape(rows, STRIDE, columns, STRIDE).mean((1, 3), dtype=np.float32)
        covered = covered[: max(0, height - top), : max(0, width - left)]
        cells[top : top + covered.shape[0], left : left + covered.shape[1]] = covered
    return torch.from_numpy(shares_found)


def window(boxes: Tensor, height: int, width: int) -> Tensor:
    """Crop windows: (M, 4) int64 x1, y1, x2, y2 in cells, from (M, 4) boxes in pixels.

    The far edge is outside. A window holds all cells that the box touches, and `MARGIN` cells around them.
    """
    far = torch.tensor([width, height], device=boxes.device)
    near = (boxes[:, :2] / STRIDE).floor().long() - MARGIN
    last = (boxes[:, 2:] / STRIDE).ceil().long() + MARGIN
    return torch.cat([torch.minimum(near.clamp(min=0), far), torch.minimum(last.clamp(min=0), far)], 1)


def mask_loss(
    outputs: dict[str, Tensor], target: Instances, assigned: Assigned, rng: torch.Generator
) -> Tensor:
    """Mask loss: binary cross-entropy within the windows of target boxes, mean over positive anchor points.

    Where an image has more than `MAX_MASKS` of them, some are drawn.

    Args:
        outputs: "prototypes" (B, P, h, w) and "coefficients" (B, A, P).
        target: The objects that places were assigned to, with masks, in pixels of the batch's images.
        assigned: The places.
        rng: Source of the draw.
    """
    prototypes = outputs["prototypes"]
    chance = torch.rand(len(assigned.image), generator=rng, device=rng.device)
    sampled = leading(assigned.image, chance.to(assigned.image.device), MAX_MASKS)
    image, place, row = assigned.image[sampled], assigned.place[sampled], assigned.target[sampled]
    each = torch.bincount(image, minlength=len(prototypes)).tolist()
    said_of = outputs["coefficients"][image, place].split(each)  # type: ignore[no-untyped-call]
    rows = row.split(each)  # type: ignore[no-untyped-call]
    parts = [_lost(*group, target) for group in zip(prototypes, said_of, rows, strict=True)]
    return GAIN * torch.cat(parts).sum() / max(1, len(sampled))


def _lost(prototypes: Tensor, weights: Tensor, rows: Tensor, target: Instances) -> Tensor:
    """(n,) loss of n masks of one image, from prototypes (P, h, w), coefficients (n, P), target rows (n,)."""
    assert target.masks is not None
    height, width = prototypes.shape[-2:]
    logits = (weights @ prototypes.flatten(1)).float().view(len(rows), height, width)
    objects, which = torch.unique(rows, return_inverse=True)
    goal = shares(target.masks[objects], height, width).to(logits.device)[which]
    lost = F.binary_cross_entropy_with_logits(logits, goal, reduction="none")
    x1, y1, x2, y2 = window(target.boxes.float()[rows], height, width)[:, :, None].unbind(1)
    column, line = (torch.arange(n, device=logits.device) for n in (width, height))
    across, down = (column >= x1) & (column < x2), (line >= y1) & (line < y2)
    inside = down[:, :, None] & across[:, None, :]
    return (lost * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)


@torch.no_grad()
def crop_masks(prototypes: Tensor, weights: Tensor, detections: Instances) -> CroppedMasks:
    """Masks of detections: prototypes times coefficients, cropped to the box, then upsampled to pixels.

    A pixel with a sigmoid above 0.5 belongs to an object. What is enlarged are the logits: between cells of
    0 and 1 it is the same, but corners and small objects keep more. From the exact shares of 150 drawn discs
    of about 8 pixels, the mean overlap with them was 0.73 by logits (cut at 5), 0.71 by sigmoids and 0.65
    by shares rounded to 0 and 1 first; at 20 pixels it was 0.96, 0.95 and 0.86.

    Args:
        prototypes: (B, P, h, w).
        weights: (M, P) coefficients of M objects.
        detections: The objects; their boxes in pixels, `sizes` of the images.

    Returns:
        M masks; one of which no pixel is sure enough is empty.
    """
    maps, weights = prototypes.float().cpu(), weights.float().cpu()
    boxes, image = detections.boxes.cpu(), detections.image.cpu()
    limit = detections.sizes.cpu()[image].flip(1)
    near, far = boxes[:, :2].floor().long(), torch.minimum(boxes[:, 2:].ceil().long(), limit)
    pixels = torch.cat([near, far], 1).tolist()
    windows = window(boxes, maps.shape[2], maps.shape[3]).tolist()
    masks = []
    for i, weight, (left, top, right, below), (x1, y1, x2, y2) in zip(
        image.tolist(), weights, windows, pixels, strict=True
    ):
        cells = torch.tensordot(weight, maps[i, :, top:below, left:right], 1)
        fine = F.interpolate(cells[None, None], scale_factor=STRIDE, mode="bilinear")[0, 0]
        x, y = STRIDE * left, STRIDE * top
        masks.append((fine[y1 - y : y2 - y, x1 - x : x2 - x] > 0).numpy())
    bitmaps = CroppedMasks.of(masks)
    return CroppedMasks(bitmaps.corners + near, bitmaps.crops)
