"""Non-maximum suppression (NMS) and a limit on the number of objects, with output shapes that are fixed.

Fixed shapes let both be part of an exported graph. Two-stage detectors need this inside the graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sightline.ops.boxes import nms

OBJECTS = ("boxes", "scores", "labels", "coefficients", "points", "point_scores")
"""Outputs that have a row for each candidate."""


@torch.library.custom_op(
    "sightline::kept",
    mutates_args=(),
    schema="(Tensor boxes, Tensor scores, Tensor labels, int classes, float least, float overlap) -> Tensor",
)
def keep_mask(
    boxes: Tensor, scores: Tensor, labels: Tensor, classes: int, least: float, overlap: float
) -> Tensor:
    """NMS in a batch: 1 for candidates that stay, else 0. An exported file uses its own operator instead.

    Args:
        boxes: (B, N, 4) xyxy in pixels.
        scores: (B, N); candidates with a score up to `least` are removed.
        labels: (B, N) int64.
        classes: Number of classes.
        least: Score threshold.
        overlap: IoU threshold: of two boxes of a class with a higher IoU, the one with the lower score goes.

    Returns:
        (B, N) float32.
    """
    stay = torch.zeros_like(scores)
    image, row = (scores > least).nonzero().unbind(1)
    survivors = nms(boxes[image, row], scores[image, row], image * classes + labels[image, row], overlap)
    stay[image[survivors], row[survivors]] = 1
    return stay


@keep_mask.register_fake
def _(boxes: Tensor, scores: Tensor, labels: Tensor, classes: int, least: float, overlap: float) -> Tensor:
    return torch.empty_like(scores)


def final(outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
    """Final objects among the candidates of `Model.postprocess`: M of them, best first, padded with zeros.

    Returns:
        What was given, with M = `max_objects` rows in place of the N of the candidates (or N, if these are
        fewer), and "count" (B,) int64: how many rows are objects.
    """
    height, width = settings["size"]
    far = torch.tensor([width, height, width, height], dtype=torch.float32, device=outputs["boxes"].device)
    boxes = torch.minimum(outputs["boxes"].float().clamp(min=0), far)
    scores, labels = outputs["scores"].float(), outputs["labels"].long()
    scores = torch.where((boxes[..., 2:] > boxes[..., :2]).all(-1), scores, 0.0)
    if settings["nms"] < 1:
        classes = len(settings["classes"])
        stay = keep_mask(boxes, scores, labels, classes, float(settings["conf"]), float(settings["nms"]))
    else:
        stay = (scores > settings["conf"]).float()
    best, index = (scores * stay).topk(min(int(settings["max_objects"]), scores.shape[1]), 1)
    real = best > 0
    rows = {**outputs, "boxes": boxes, "labels": labels}
    objects = {name: _rows(rows[name], index, real) for name in rows if name in OBJECTS}
    return {**rows, **objects, "scores": best, "count": real.sum(1)}


def _rows(values: Tensor, index: Tensor, real: Tensor) -> Tensor:
    """Gather rows of (B, N, ...) by (B, M) indices; rows that are not real become zeros."""
    for _ in values.shape[2:]:
        index, real = index[..., None], real[..., None]
    index = index.expand(*index.shape[:2], *values.shape[2:])
    return torch.where(real, values.gather(1, index), torch.zeros((), dtype=values.dtype))
