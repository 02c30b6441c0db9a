"""Confusion matrix of class maps, and IoU, Dice, precision and recall of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.core.targets.base import Targets
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.metrics.functional import pixels as _pixels
from sightline.metrics.functional.weighted import Array


@dataclass(frozen=True)
class PerClass:
    """Scores of each of K classes over all pixels; nan where a class has no pixels.

    Attributes:
        pixels: (K,) int64 target pixels.
        iou: (K,) intersection over union.
        dice: (K,) Dice coefficient, which is F1.
        precision: (K,) share of the pixels predicted as the class that are right.
        recall: (K,) share of its target pixels that are predicted.
    """

    pixels: Array
    iou: Array
    dice: Array
    precision: Array
    recall: Array


def confusion(prediction: Targets, target: Targets, classes: int) -> Array:
    """Confusion matrix (K, K) int64 of pixels over all images: rows are targets, columns predictions.

    Pixels without a class in the target are left out, and so are those without one in the prediction.

    Args:
        prediction: `SemanticMasks` of N images.
        target: `SemanticMasks` of the same images, in the same sizes.
        classes: K.

    Raises:
        ValueError: If the images or their sizes differ, or a map holds a class beyond K.
    """
    _pixels.paired(prediction, target)
    counts = np.zeros((IGNORE_INDEX + 1, IGNORE_INDEX + 1), dtype=np.int64)
    for i in range(len(target)):
        predicted, expected = _pixels.maps(prediction, target, i)
        counts += _pixels.confusion(expected, predicted)
    beyond = [
        *np.flatnonzero(counts[classes:IGNORE_INDEX].any(1)),
        *np.flatnonzero(counts[:, classes:IGNORE_INDEX].any(0)),
    ]
    if beyond:
        most = classes + int(max(beyond))
        raise ValueError(f"Maps of {classes} classes hold 0 to {classes - 1}. Received {most}.")
    return counts[:classes, :classes]


def class_ious(counts: Array) -> Array:
    """(K,) IoU from a confusion matrix; nan for classes without target pixels.

    Their mean is the metric mIoU.
    """
    return per_class(counts).iou


def per_class(counts: Array) -> PerClass:
    """All scores of each class from a confusion matrix (K, K)."""
    right, target, predicted = np.diag(counts).astype(np.float64), counts.sum(1), counts.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = np.where(target > 0, right / (target + predicted - right), np.nan)
        dice = np.where(target > 0, 2 * right / (target + predicted), np.nan)
        return PerClass(target, iou, dice, right / predicted, right / target)
