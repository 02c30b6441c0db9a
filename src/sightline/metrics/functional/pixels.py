"""Pixel counts of class maps: true positives, target and predicted pixels of each image and class."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Evaluation, Stats
from sightline.core.targets.masks import VOID
from sightline.metrics.functional.weighted import Array


def confusion(truth: Array, predicted: Array) -> Array:
    """Confusion matrix (256, 256) int64 of two (H, W) uint8 maps: rows are targets, columns predictions."""
    cells = truth.astype(np.uint16) << 8 | predicted
    return np.bincount(cells.ravel(), minlength=2**16).reshape(2**8, 2**8)


def maps(prediction: Any, truth: Any, i: int) -> tuple[Array, Array]:
    """The predicted and the target map of image i, (H, W) uint8 each.

    Raises:
        ValueError: If they differ in size.
    """
    predicted, target = prediction.map(i), truth.map(i)
    if predicted.shape != target.shape:
        raise ValueError(
            f"Map {i} of the prediction is {predicted.shape} and that of the truth {target.shape}."
        )
    return predicted, target


def paired(prediction: Any, truth: Any) -> None:
    """Raise ValueError unless both have as many images."""
    if len(prediction) != len(truth):
        raise ValueError(f"The prediction has {len(prediction)} images and the truth {len(truth)}.")


def regions(evaluation: Evaluation) -> Stats:
    """Pixel counts {"right", "truth", "predicted": (N, 255) uint32} of each image and class.

    They are as wide whatever the number of classes, so that batches can be joined. Pixels that are void
    in the truth are left out; those that are so only in the prediction are right for no class. Counted
    once for all metrics of the evaluation.

    Args:
        evaluation: `Masks` of N images, beside those that are true, in the same sizes.

    Raises:
        ValueError: If they have not as many images, or maps of one differ in size.
    """
    return evaluation.once("regions", lambda: _counted(evaluation.prediction, evaluation.truth))


def sums(stats: Stats, weights: Array) -> tuple[Array, Array, Array]:
    """(B, K) weighted counts of right, target and predicted pixels of the classes in the targets."""
    present = stats["truth"].any(0)
    right, truth, predicted = (weights @ stats[k][:, present].astype(np.float64) for k in _NAMES)
    return right, truth, predicted


def image_ious(stats: Stats) -> tuple[Array, Array]:
    """(N, K) IoU, and (N, K) bool whether the class is in the image's target; K classes of the targets."""
    present = stats["truth"].any(0)
    right, truth, predicted = (stats[k][:, present].astype(np.float64) for k in _NAMES)
    return np.divide(right, truth + predicted - right, out=np.zeros_like(right), where=truth > 0), truth > 0


_NAMES = ("right", "truth", "predicted")


def _counted(prediction: Any, truth: Any) -> Stats:
    """`regions` without the cache."""
    paired(prediction, truth)
    counts = {name: np.zeros((len(truth), VOID), dtype=np.uint32) for name in _NAMES}
    for i in range(len(truth)):
        predicted, target = maps(prediction, truth, i)
        pixels = confusion(target, predicted)[:VOID]
        counts["right"][i] = pixels.diagonal()
        counts["truth"][i] = pixels.sum(1)
        counts["predicted"][i] = pixels.sum(0)[:VOID]
    return counts
