"""Task-aligned assigner (TOOD): which anchor points are positive samples for which objects.

The alignment of an anchor point and an object is t = s^alpha * u^beta, with the predicted score s of the
object's class and the IoU u of the predicted box. The k anchor points with the highest t whose center lies
in the object are positive.

Source: Feng et al., TOOD: Task-aligned One-stage Object Detection, ICCV 2021, section 3.2; with k = 1 the
one-to-one assignment of Wang et al., YOLOv10, 2024, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.ops.boxes import iou
from sightline.ops.topk import leading

ALPHA, BETA = 0.5, 6.0
"""Weights of class and place; those of the usual detectors of this kind."""
PAIRS = 1 << 20
"""Pairs of object and place that are looked at together, so that memory does not grow with their number."""
EPS = 1e-9
"""Overlap that no overlap counts as, so that logarithms stay finite."""


@dataclass(frozen=True)
class Assigned:
    """Assignment: P positive anchor points, each of one object.

    Attributes:
        target: (P,) int64 row of the object.
        image: (P,) int64 index of its image.
        place: (P,) int64 index of the anchor point.
        weight: (P,) target of the score: the alignment, scaled so that the best anchor point of an object has
            its own IoU.
    """

    target: Tensor
    image: Tensor
    place: Tensor
    weight: Tensor


@torch.no_grad()
def assign(
    places: Tensor, boxes: Tensor, logits: Tensor, targets: Tensor, labels: Tensor, image: Tensor, most: int
) -> Assigned:
    """Assign anchor points to objects.

    If several objects select an anchor point, it goes to the object with the highest IoU, then to the first.

    Args:
        places: (A, 3) center x, center y, stride of the anchor points, in pixels.
        boxes: (B, A, 4) predicted boxes, xyxy in pixels.
        logits: (B, A, K) predicted class scores before the sigmoid.
        targets: (M, 4) target boxes of all images, xyxy in pixels.
        labels: (M,) int64 target classes.
        image: (M,) int64 image of each target.
        most: Maximum number of anchor points for an object.
    """
    candidates = []
    for rows in torch.split(torch.arange(len(targets), device=targets.device), max(1, PAIRS // len(places))):
        target, place = inside(places, targets[rows]).nonzero().unbind(1)
        target = rows[target]
        where = image[target]
        overlap = iou(targets[target], boxes[where, place].float()).clamp(min=EPS)
        sure = F.logsigmoid(logits[where, place, labels[target]].float())
        metric = ALPHA * sure + BETA * overlap.log()
        best = leading(target, metric, most)
        candidates.append((target[best], place[best], overlap[best], metric[best]))
    if not candidates:
        none = torch.zeros(0, dtype=torch.int64, device=targets.device)
        return Assigned(none, none, none, torch.zeros(0, device=targets.device))
    target, place, overlap, metric = (torch.cat(parts) for parts in zip(*candidates, strict=True))
    chosen = leading(image[target] * len(places) + place, overlap, 1)
    target, place, overlap, metric = target[chosen], place[chosen], overlap[chosen], metric[chosen]
    top = targets.new_full((len(targets),), -torch.inf, dtype=torch.float32)
    top_metric = top.scatter_reduce(0, target, metric, "amax")
    top_overlap = top.scatter_reduce(0, target, overlap, "amax")
    weight = (metric - top_metric[target]).exp() * top_overlap[target]
    return Assigned(target, image[target], place, weight)


def inside(places: Tensor, boxes: Tensor) -> Tensor:
    """(M, A) bool: whether the center of each anchor point lies in each box.

    Boxes smaller than the finest stride are enlarged to it: every object in the image gets an anchor point.

    Args:
        places: (A, 3) center x, center y, stride, in pixels.
        boxes: (M, 4) xyxy in pixels.
    """
    least = places[:, 2].min() / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=least)
    x, y = places[:, 0], places[:, 1]
    across = (x - middle[:, :1]).abs() <= reach[:, :1]
    return across & ((y - middle[:, 1:]).abs() <= reach[:, 1:])


@torch.no_grad()
def covered(places: Tensor, boxes: Tensor, image: Tensor, images: int) -> Tensor:
    """(B, A) bool: whether an anchor point lies in any of the boxes of its image.

    Args:
        places: (A, 3) centre x, centre y, stride.
        boxes: (M, 4) of all images.
        image: (M,) int64 the image of each.
        images: B.
    """
    covers = torch.zeros(images, len(places), dtype=torch.bool, device=places.device)
    rows = max(1, PAIRS // len(places))
    for some, where in zip(torch.split(boxes, rows), torch.split(image, rows), strict=True):
        box, place = inside(places, some).nonzero().unbind(1)
        covers[where[box], place] = True
    return covers
