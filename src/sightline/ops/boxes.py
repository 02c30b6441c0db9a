"""Box operations: IoU, GIoU, CIoU, conversions, NMS. Boxes are (..., 4) xyxy; the far edge lies outside."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import batched_nms

EPS = 1e-7
"""Keeps quotients of empty boxes finite; in square pixels or pixels."""


def area(boxes: Tensor) -> Tensor:
    """(..., 4) to (...): area; 0 for a box whose far edge lies before its near one."""
    w, h = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).unbind(-1)
    return w * h


def iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of pairs of boxes, in [0, 1]; 0 where both are empty.

    Args:
        boxes1: (..., 4) boxes.
        boxes2: (..., 4) boxes; the leading axes broadcast.

    Returns:
        (...) overlaps. `iou(a[:, None], b)` is the matrix of all pairs.
    """
    return _overlap(boxes1, boxes2)[0]


def _overlap(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """(IoU, union area) of pairs of boxes (..., 4), each (...)."""
    near = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    far = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    w, h = (far - near).clamp(min=0).unbind(-1)
    shared = w * h
    union = area(boxes1) + area(boxes2) - shared
    return shared / union.clamp(min=EPS), union


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """(..., 2) width and height of the smallest enclosing box of pairs."""
    return torch.maximum(boxes1[..., 2:], boxes2[..., 2:]) - torch.minimum(boxes1[..., :2], boxes2[..., :2])


def giou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Generalised intersection over union of pairs of boxes, in [-1, 1].

    Source: Rezatofighi et al., Generalized Intersection over Union, CVPR 2019, algorithm 1.

    Args:
        boxes1: (..., 4) boxes.
        boxes2: (..., 4) boxes; the leading axes broadcast.
    """
    overlap, union = _overlap(boxes1, boxes2)
    around = _hull(boxes1, boxes2).prod(-1).clamp(min=EPS)
    return overlap - (around - union) / around


def ciou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Complete intersection over union of pairs of boxes, in (-2, 1]: overlap, distance, aspect.

    No gradient flows through the weight of the aspect term, as in the paper.

    Source: Zheng et al., Distance-IoU Loss, AAAI 2020, equations 7 to 11.

    Args:
        boxes1: (..., 4) boxes.
        boxes2: (..., 4) boxes; the leading axes broadcast.
    """
    overlap, _ = _overlap(boxes1, boxes2)
    diagonal = _hull(boxes1, boxes2).square().sum(-1).clamp(min=EPS)
    apart = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]).square().sum(-1) / 4
    aspect = (4 / math.pi**2) * (_angle(boxes1) - _angle(boxes2)).square()
    with torch.no_grad():
        weight = aspect / (1 - overlap + aspect).clamp(min=EPS)
    return overlap - apart / diagonal - weight * aspect


def _angle(boxes: Tensor) -> Tensor:
    """(...) angle of the diagonal of each box; its tangent is width over height."""
    w, h = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan2(w.clamp(min=EPS), h.clamp(min=EPS))


def to_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Distances from points to the left, top, right and bottom sides of boxes; negative outside.

    Args:
        points: (..., 2) x, y.
        boxes: (..., 4); the leading axes broadcast.
    """
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], -1)


def from_distances(points: Tensor, distances: Tensor) -> Tensor:
    """Inverse of `to_distances`: (..., 2) and (..., 4) to boxes (..., 4)."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def to_centers(boxes: Tensor) -> Tensor:
    """x1, y1, x2, y2 to centre x, centre y, width, height."""
    near, far = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(near + far) / 2, far - near], -1)


def from_centers(boxes: Tensor) -> Tensor:
    """Centre x, centre y, width, height to x1, y1, x2, y2."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def to_xywh(boxes: Tensor) -> Tensor:
    """x1, y1, x2, y2 to x1, y1, width, height (COCO)."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1)


def from_xywh(boxes: Tensor) -> Tensor:
    """x1, y1, width, height (COCO) to x1, y1, x2, y2."""
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def nms(boxes: Tensor, scores: Tensor, groups: Tensor, overlap: float) -> Tensor:
    """Non-maximum suppression (NMS) within groups: indices of the boxes that stay.

    Args:
        boxes: (M, 4).
        scores: (M,).
        groups: (M,) int64; boxes of different groups (classes, images) do not touch each other.
        overlap: Intersection over union above which the worse box goes.

    Returns:
        (M',) int64 indices, highest score first.
    """
    # In float64: groups are told apart by moving their boxes, by millions of pixels where there are many.
    keep: Tensor = batched_nms(boxes.double(), scores.double(), groups, overlap)
    return keep
