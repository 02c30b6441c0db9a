"""Pixel counts of class maps: true positives, target and predicted pixels of each image and class."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Evaluation, Statistics
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.metrics.functional.weighted import Array


def confusion(target: Array, predicted: Array) -> Array:
    """Confusion matrix (256, 256) int64 of two (H, W) uint8 maps: rows are targets, columns predictions."""
    cells = target.astype(np.uint16) << 8 | predicted
    return np.bincount(cells.ravel(), minlength=2**16).reshape(2**8, 2**8)


def maps(prediction: Any, target: Any, i: int) -> tuple[Array, Array]:
    """The predicted and the target map of image i, (H, W) uint8 each.

    Raises:
        ValueError: If they differ in size.
    """
    predicted, expected = prediction.map(i), target.map(i)
    if predicted.shape != expected.shape:
        raise ValueError(
            f"Map {i} of the prediction is {predicted.shape} and that of the target {expected.shape}."
        )
    return predicted, expected


def paired(prediction: Any, target: Any) -> None:
    """Raise ValueError unless both have as many images."""
    if len(prediction) != len(target):
        raise ValueError(f"The prediction has {len(prediction)} images and the target {len(target)}.")


def regions(evaluation: Evaluation) -> Statistics:
    """Pixel counts {"right", "target", "predicted": (N, 255) uint32} of each image and class.

    They are as wide whatever the number of classes, so that batches can be joined. Pixels that are void
    in the target are left out; those that are so only in the prediction are right for no class. Counted
    once for all metrics of the evaluation.

    Args:
        evaluation: `SemanticMasks` of N images, beside those that are true, in the same sizes.

    Raises:
        ValueError: If they have not as many images, or maps of one differ in size.
    """
    return evaluation.once("regions", lambda: _counted(evaluation.prediction, evaluation.target))


def sums(stats: Statistics, weights: Array) -> tuple[Array, Array, Array]:
    """(B, K) weighted counts of right, target and predicted pixels of the classes in the targets."""
    present = stats["target"].any(0)
    right, target, predicted = (weights @ stats[k][:, present].astype(np.float64) for k in _NAMES)
    return right, target, predicted


def image_ious(stats: Statistics) -> tuple[Array, Array]:
    """(N, K) IoU, and (N, K) bool whether the class is in the image's target; K classes of the targets."""
    present = stats["target"].any(0)
    right, target, predicted = (stats[k][:, present].astype(np.float64) for k in _NAMES)
    return np.divide(
        right, target + predicted - right, out=np.zeros_like(right), where=target > 0
    ), target > 0


_NAMES = ("right", "target", "predicted")


def _counted(prediction: Any, target: Any) -> Statistics:
    """`regions` without the cache."""
    paired(prediction, target)
    counts = {name: np.zeros((len(target), IGNORE_INDEX), dtype=np.uint32) for name in _NAMES}
    for i in range(len(target)):
        predicted, expected = maps(prediction, target, i)
        pixels = confusion(expected, predicted)[:IGNORE_INDEX]
        counts["right"][i] = pixels.diagonal()
        counts["target"][i] = pixels.sum(1)
        counts["predicted"][i] = pixels.sum(0)[:IGNORE_INDEX]
    return counts
