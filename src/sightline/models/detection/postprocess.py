"""Detection postprocessing: a common format of candidates, score-threshold calibration, and NMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from sightline.core.card import ModelCard
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.errors import UsageError
from sightline.ops.boxes import nms
from sightline.ops.topk import leading

Kind = TypeVar("Kind", bound=Instances)


class DetectorOptions(Protocol):
    """Options of a task that detection methods read."""

    @property
    def backbone(self) -> str:
        """Name of the backbone; "own" (and "auto") is the default of the method."""

    @property
    def variant(self) -> str | None:
        """Name of the network, for methods that have several."""

    @property
    def conf(self) -> float:
        """Score threshold of predicted objects."""

    @property
    def nms(self) -> float:
        """IoU threshold of non-maximum suppression (NMS) within a class; 1 turns it off."""

    @property
    def max_objects(self) -> int:
        """Maximum number of predicted objects in an image."""


def best(boxes: Tensor, scores: Tensor, counts: Sequence[int], most: int) -> dict[str, Tensor]:
    """Top-k candidates: the (box, class) pairs with the highest scores of each level, Q for each image.

    Args:
        boxes: (B, A, 4) a box for all classes, or (B, A * K, 4) a box for each class.
        scores: (B, A, K) in [0, 1].
        counts: How many of the A belong to each level.
        most: Pairs kept of a level.

    Returns:
        {"boxes": (B, Q, 4), "scores": (B, Q), "labels": (B, Q) int64}.
    """
    classes = scores.shape[2]
    shared = scores.shape[1] * classes // boxes.shape[1]  # pairs that have one box in common
    parts = []
    start = 0
    for count in counts:
        level = scores[:, start : start + count].flatten(1)
        # In the order of places: that of scores would hang on the last bit, and so on the rest of the batch.
        index = level.topk(min(most, level.shape[1]), 1).indices.sort(1).values
        value = level.gather(1, index)
        index = index + start * classes
        where = (index // shared)[:, :, None].expand(-1, -1, 4)
        parts.append((boxes.gather(1, where), value, index % classes))
        start += count
    return {
        name: torch.cat(values, 1)
        for name, values in zip(("boxes", "scores", "labels"), zip(*parts, strict=True), strict=True)
    }


def settings_for(
    info: DataInfo, options: DetectorOptions, card: ModelCard, variant: str, overlap: float
) -> dict[str, Any]:
    """Model settings of a library's detector, from the data and the options.

    Args:
        info: What is known of the data.
        options: The task's options.
        card: The method's card.
        variant: The network it is built on where none is asked for.
        overlap: What `decode` finds as `nms`.

    Raises:
        UsageError: If another backbone is asked for.
    """
    assert info.classes is not None
    if options.backbone not in ("auto", "own"):
        raise UsageError(
            f"Model '{card.name}' is built on networks of its library and takes no --backbone. "
            f"Received '{options.backbone}'. Choose one with --variant."
        )
    return {
        "classes": list(info.classes.names),
        "class_ids": list(info.classes.ids),
        "variant": options.variant or variant,
        "conf": options.conf,
        "max_objects": options.max_objects,
        "nms": overlap,
    }


def select(outputs: dict[str, Tensor], settings: dict[str, Any]) -> tuple[Instances, Tensor]:
    """Predictions from candidates: clip boxes to the image, apply the score threshold and NMS, sort by score.

    Args:
        outputs: What `best` gives; a score of 0 is padding.
        settings: `size`, `conf` (scores up to it are dropped), `max_objects` an image and `nms` (overlap
            with a better box of the same class that drops a box; 1 is off).

    Returns:
        The M objects, and (M,) int64 which of its image's candidates each of them is.
    """
    size = torch.tensor(settings["size"], device=outputs["boxes"].device)
    boxes = outputs["boxes"].float().clamp(min=0)
    boxes = torch.minimum(boxes, size.flip(0).repeat(2).to(boxes))
    real = (outputs["scores"] > settings["conf"]) & (boxes[..., 2:] > boxes[..., :2]).all(-1)
    image, row = real.nonzero().unbind(1)
    boxes, scores, labels = boxes[real], outputs["scores"][real].float(), outputs["labels"][real].long()
    if settings["nms"] < 1:
        groups = image * len(settings["classes"]) + labels
        keep = nms(boxes, scores, groups, settings["nms"])
        image, row, boxes, scores, labels = image[keep], row[keep], boxes[keep], scores[keep], labels[keep]
    keep = leading(image, scores, settings["max_objects"])
    counts = torch.bincount(image[keep], minlength=len(real))
    detections = Instances(counts, size.repeat(len(real), 1), boxes[keep], labels[keep], scores[keep])
    return detections, row[keep]


def learnable(target: Kind) -> Kind:
    """Training targets: the objects without crowds and without boxes of area 0."""
    keep = (target.boxes[:, 2:] > target.boxes[:, :2]).all(1)
    if target.crowd is not None:
        keep &= ~target.crowd
    return target.select(keep)


def rescale_scores(predictions: Kind, cuts: Sequence[float] | None) -> Kind:
    """Rescale scores by class so that the calibrated threshold of every class becomes 0.5.

    Scores below and above the cut are stretched evenly, so that those of a class keep their order.

    Args:
        predictions: Predictions.
        cuts: (K) confidence of each class from which its objects are best shown; None changes nothing.
    """
    if cuts is None or predictions.scores is None:
        return predictions
    cut = torch.tensor(cuts, device=predictions.scores.device).clamp(1e-6, 1 - 1e-6)[predictions.labels]
    low, high = 0.5 * predictions.scores / cut, 0.5 + 0.5 * (predictions.scores - cut) / (1 - cut)
    return replace(predictions, scores=torch.where(predictions.scores < cut, low, high)).sorted_by_score()


def boxes_of_batch(batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Training targets of each image: (M, 4) boxes in pixels of the batch's images, and (M,) labels."""
    target = learnable(batch.targets)
    parts = [x.split(target.counts.tolist()) for x in (target.boxes.float(), target.labels)]  # type: ignore[no-untyped-call]
    return list(zip(*parts, strict=True))
