"""Flip test: a model of keypoints sees each image and its mirror image, and the mean of both answers counts.

Source: Newell, Yang, Deng, Stacked hourglass networks, ECCV 2016, section 4.1, who average heatmaps; here
predicted objects are averaged, so that it is the same for every model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from sightline.core.model import Model
from sightline.core.targets.keypoints import Keypoints
from sightline.ops.boxes import iou

MIRRORED = "mirrored "
"""What names of the outputs for mirror images begin with."""
SAME = 0.5
"""IoU of boxes from which on the objects of both answers may be one."""


class InMirror(Model):
    """A model of keypoints that sees each image twice, the second time mirrored; see `of`.

    Args:
        model: The model.
    """

    kind: ClassVar[type[Model]]

    def __init__(self, model: Model) -> None:
        super().__init__(dict(model.settings))
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """What `Model.postprocess` of the model gives for the images, and for their mirror images."""
        outputs: dict[str, Tensor] = {}
        for prefix, view in (("", images), (MIRRORED, images.flip(-1).contiguous())):
            raw = {name: value.float() for name, value in self.model(view).items()}
            settings = {**self.model.settings, "size": list(images.shape[2:])}
            answer = self.model.postprocess(raw, settings)
            outputs |= {f"{prefix}{name}": value for name, value in answer.items()}
        return outputs

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Keypoints:
        """The mean of both answers, left and right of the second exchanged back."""
        parts = {name: value for name, value in answer.items() if not name.startswith(MIRRORED)}
        others = {n.removeprefix(MIRRORED): value for n, value in answer.items() if n.startswith(MIRRORED)}
        first: Keypoints = cls.kind.to_predictions(parts, settings)
        second: Keypoints = cls.kind.to_predictions(others, settings)
        back = torch.eye(2, 3, dtype=torch.float64).repeat(len(second), 1, 1)
        back[:, 0, 0], back[:, 0, 2] = -1, settings["size"][1]
        return averaged(first, second.warp(back, second.sizes))

    @classmethod
    def of(cls, model: Model) -> Model:
        """The model with both views."""
        return type("InMirror", (cls,), {"kind": type(model)})(model)  # type: ignore[no-any-return]


def averaged(first: Keypoints, second: Keypoints) -> Keypoints:
    """Means of two predictions of the same images.

    Objects of one class whose boxes overlap most, by an IoU of at least 0.5, are one; and so are the objects
    of images with one in each. Their points are weighted by their scores. An object that only one of the
    predictions has keeps half of its score.
    """
    partner = _partners(first, second)
    paired, points = partner >= 0, first.points.clone()
    other = partner[paired]
    alone = torch.ones(len(second.labels), dtype=torch.bool, device=paired.device)
    alone[other] = False
    assert first.scores is not None
    assert second.scores is not None
    assert first.point_scores is not None
    assert second.point_scores is not None
    weights = torch.stack([first.point_scores[paired], second.point_scores[other]]).clamp(min=1e-6)
    both = torch.stack([points[paired], second.points[other]])
    points[paired] = (weights[..., None] * both).sum(0) / weights.sum(0)[..., None]
    boxes, sure, scores = first.boxes.clone(), first.point_scores.clone(), first.scores / 2
    boxes[paired] = (boxes[paired] + second.boxes[other]) / 2
    sure[paired] = (sure[paired] + second.point_scores[other]) / 2
    scores[paired] = scores[paired] + second.scores[other] / 2
    mean = replace(first, points=points, boxes=boxes, point_scores=sure, scores=scores)
    rest = replace(second, scores=second.scores / 2).select(alone)
    image = torch.cat([mean.image, rest.image])
    return Keypoints.cat([mean, rest]).reassign_images(image, first.sizes).sorted_by_score()


def _partners(first: Keypoints, second: Keypoints) -> Tensor:
    """(M,) row of the object of the second prediction that each of the first is, -1 for none."""
    partner = torch.full((len(first.labels),), -1, device=first.labels.device)
    starts = (first.counts.cumsum(0) - first.counts, second.counts.cumsum(0) - second.counts)
    for i, (n, m) in enumerate(zip(first.counts.tolist(), second.counts.tolist(), strict=True)):
        if not n or not m:
            continue
        rows, others = int(starts[0][i]) + torch.arange(n), int(starts[1][i]) + torch.arange(m)
        if n == m == 1:
            partner[rows] = others.to(partner)
            continue
        overlap = iou(first.boxes[rows][:, None], second.boxes[others][None])
        overlap = overlap * (first.labels[rows][:, None] == second.labels[others][None])
        best, where = overlap.max(1)
        mutual = (overlap.argmax(0)[where] == torch.arange(n, device=where.device)) & (best >= SAME)
        partner[rows] = torch.where(mutual, int(starts[1][i]) + where, -1)
    return partner
