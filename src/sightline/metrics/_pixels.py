"""What the metrics of class maps share: for each image and class the pixels that are right, true and said."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from sightline.core.metric import Stats
from sightline.core.targets.masks import VOID
from sightline.metrics._weighted import Array

_known: weakref.WeakKeyDictionary[Any, tuple[weakref.ref[Any], Stats]] = weakref.WeakKeyDictionary()


def confusion(truth: Array, said: Array) -> Array:
    """(256, 256) int64 pixels by true (row) and predicted value (column) of two (H, W) uint8 maps."""
    cells = truth.astype(np.uint16) << 8 | said
    return np.bincount(cells.ravel(), minlength=2**16).reshape(2**8, 2**8)


def maps(prediction: Any, truth: Any, i: int) -> tuple[Array, Array]:
    """The predicted and the true map of image i.

    Raises:
        ValueError: If they differ in size.
    """
    said, there = prediction.map(i), truth.map(i)
    if said.shape != there.shape:
        raise ValueError(f"Map {i} of the prediction is {said.shape} and that of the truth {there.shape}.")
    return said, there


def paired(prediction: Any, truth: Any) -> None:
    """Raise ValueError unless both have as many images."""
    if len(prediction) != len(truth):
        raise ValueError(f"The prediction has {len(prediction)} images and the truth {len(truth)}.")


def regions(prediction: Any, truth: Any) -> Stats:
    """{"right", "truth", "predicted": (N, 255) uint32 pixels} of each image and class.

    They are as wide whatever the number of classes, so that batches can be joined. Pixels that are void
    in the truth are left out; those that are so only in the prediction are right for no class. Kept as
    long as the prediction lives, so that all metrics share them.

    Args:
        prediction: `Masks` of N images.
        truth: `Masks` of the same images, in the same sizes.

    Raises:
        ValueError: If they have not as many images, or maps of one differ in size.
    """
    known = _known.get(prediction)
    if known is None or known[0]() is not truth:
        known = (weakref.ref(truth), _counted(prediction, truth))
        _known[prediction] = known
    return known[1]


def sums(stats: Stats, weights: Array) -> tuple[Array, Array, Array]:
    """(B, K) weighted pixels right, true and predicted of the classes that occur in the truth."""
    there = stats["truth"].any(0)
    right, truth, said = (weights @ stats[k][:, there].astype(np.float64) for k in _NAMES)
    return right, truth, said


def image_ious(stats: Stats) -> tuple[Array, Array]:
    """(N, K) IoU, and bool whether the class is in the image's truth, of the classes that occur there."""
    there = stats["truth"].any(0)
    right, truth, said = (stats[k][:, there].astype(np.float64) for k in _NAMES)
    return np.divide(right, truth + said - right, out=np.zeros_like(right), where=truth > 0), truth > 0


_NAMES = ("right", "truth", "predicted")


def _counted(prediction: Any, truth: Any) -> Stats:
    paired(prediction, truth)
    found = {name: np.zeros((len(truth), VOID), dtype=np.uint32) for name in _NAMES}
    for i in range(len(truth)):
        said, there = maps(prediction, truth, i)
        pixels = confusion(there, said)[:VOID]
        found["right"][i] = pixels.diagonal()
        found["truth"][i] = pixels.sum(1)
        found["predicted"][i] = pixels.sum(0)[:VOID]
    return found
