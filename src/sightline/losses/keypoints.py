"""Keypoint loss of one-stage pose estimation: object keypoint similarity (OKS), distance, and visibility.

Source: Maji et al., YOLO-Pose, CVPR workshops 2022, section 3.3: the loss is 1 - OKS of each positive anchor
point, and the cross-entropy of whether a point is labeled. OKS is flat for points that are far away; the
distance beside it (L1, as Yang et al., ED-Pose, ICLR 2023, section 3.3, have it) brings those nearer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.keypoints import Keypoints
from sightline.models.detection.assigner import Assigned

LOSS_WEIGHTS = {"points": 2.5, "far": 2.5, "visible": 0.5}
"""Weights of the parts, beside those of `box_losses`."""


def keypoint_losses(outputs: dict[str, Tensor], target: Keypoints, assigned: Assigned) -> dict[str, Tensor]:
    """Keypoint loss: its weighted parts.

    "Points" is 1 - OKS with the sigmas of the skeleton, "far" the distance of points as a share of the root
    of the object's area; both are means over the labeled points of an object, and the objects are weighted
    as in `box_losses`. "Visible" is the binary cross-entropy (BCE) of whether a point is labeled, hidden or
    not. Objects without a labeled point teach none of these: of them nothing is known.

    Args:
        outputs: "points" (B, A, 2 J) in pixels and "visible" (B, A, J) before the sigmoid.
        target: The objects that anchor points were assigned to, in pixels of the batch's images.
        assigned: The anchor points.
    """
    labeled = (target.visibility > 0).to(outputs["points"].device)
    teaching = labeled.any(1)[assigned.target]
    image, place = assigned.image[teaching], assigned.place[teaching]
    row, weight = assigned.target[teaching], assigned.weight[teaching]
    goal, shown = target.points.float()[row], labeled[row].float()
    points = outputs["points"][image, place].float().view(goal.shape)
    area = target.area().float().clamp(min=1.0)[row][:, None]
    squares = (points - goal).square().sum(2) / area
    variance = (2 * torch.tensor(target.skeleton.oks_sigmas, device=points.device)).square()
    similarity = 1 - (-squares / (2 * variance)).exp()
    distance = (squares + 1e-6).sqrt()  # the root alone has no slope at 0
    visible = F.binary_cross_entropy_with_logits(
        outputs["visible"][image, place].float(), shown, reduction="none"
    )
    total, count = weight.sum().clamp(min=1), shown.sum(1).clamp(min=1)
    parts = {
        "points": ((similarity * shown).sum(1) / count * weight).sum() / total,
        "far": ((distance * shown).sum(1) / count * weight).sum() / total,
        "visible": (visible.mean(1) * weight).sum() / total,
    }
    return {name: LOSS_WEIGHTS[name] * value for name, value in parts.items()}
