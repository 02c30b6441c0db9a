"""Detection loss: CIoU + DFL + BCE over the anchor points that task alignment assigns."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.instances import Instances
from sightline.models.detection.assigner import Assigned, assign, covered
from sightline.models.heads.dfl import decoded, distribution_focal_loss
from sightline.ops.boxes import ciou, to_distances

TOPK_ONE2MANY = 10
"""Places that answer for an object."""
LOSS_WEIGHTS = {"box": 2.5, "sides": 0.5, "class": 1.0, "single": 1.0}
"""Weights of the parts, as in Xu et al., PP-YOLOE, 2022, section 2.4."""


def box_losses(outputs: dict[str, Tensor], target: Instances) -> tuple[dict[str, Tensor], Assigned]:
    """Detection loss: its weighted parts, and the assignment of anchor points behind them.

    "Box" is 1 - CIoU. "Sides" is the distribution focal loss (DFL). "Class" is the binary cross-entropy (BCE)
    of the one-to-many scores, "single" the same of the one-to-one scores. Each part is weighted by the
    alignment of an anchor point with its object, and divided by the sum of these weights. Crowds are ignored:
    their anchor points are neither positive nor negative.

    Args:
        outputs: "places" (1, A, 3), "boxes" (B, A, 4), "bins" (B, A, 4 * n), "many" and "scores" (B, A, K).
        target: The target objects, in pixels of the batch's images.
    """
    places = outputs["places"][0]
    real = (target.boxes[:, 2:] > target.boxes[:, :2]).all(1)
    ignored = None
    if target.crowd is not None and bool(target.crowd.any()):
        crowd = target.select(target.crowd & real)
        ignored = covered(places, crowd.boxes.float(), crowd.image, len(target))
        real = real & ~target.crowd
    target = replace(target.select(real), crowd=None)
    goal = (target.boxes.float(), target.labels, target.image)
    many = assign(places, outputs["boxes"], outputs["many"], *goal, TOPK_ONE2MANY)
    single = assign(places, outputs["boxes"], outputs["scores"], *goal, 1)
    box, sides = _place_losses(outputs, target, many)
    parts = {
        "box": box,
        "sides": sides,
        "class": _class_loss(outputs["many"], target, many, ignored),
        "single": _class_loss(outputs["scores"], target, single, ignored),
    }
    return {name: LOSS_WEIGHTS[name] * value for name, value in parts.items()}, many


def _place_losses(outputs: dict[str, Tensor], target: Instances, assigned: Assigned) -> tuple[Tensor, Tensor]:
    """(CIoU loss, DFL) at the P positive anchor points, two scalars."""
    places = outputs["places"][0, assigned.place]
    bins = outputs["bins"][assigned.image, assigned.place]
    goal = target.boxes.float()[assigned.target]
    distances = to_distances(places[:, :2], goal) / places[:, 2:]
    sides = distribution_focal_loss(bins.reshape(len(bins), 4, bins.shape[-1] // 4), distances).mean(-1)
    box = 1 - ciou(decoded(places, bins), goal)
    total = assigned.weight.sum().clamp(min=1)
    return (box * assigned.weight).sum() / total, (sides * assigned.weight).sum() / total


def _class_loss(logits: Tensor, target: Instances, assigned: Assigned, ignored: Tensor | None) -> Tensor:
    """BCE of (B, A, K) logits: targets are the weights at positive anchor points, and 0 elsewhere."""
    logits = logits.float()
    if ignored is not None:
        keep = ~ignored
        keep[assigned.image, assigned.place] = True
        none = F.softplus(logits[keep]).sum()
    else:
        none = F.softplus(logits).sum()
    # -(y log p + (1 - y) log(1 - p)) = softplus(x) - x y, which spares a tensor of targets.
    some = logits[assigned.image, assigned.place, target.labels[assigned.target]] * assigned.weight
    return (none - some.sum()) / assigned.weight.sum().clamp(min=1)
