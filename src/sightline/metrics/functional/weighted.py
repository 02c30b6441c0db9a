"""Base class of weighted metrics: values for many weightings of the images at once (for the jackknife)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from sightline.core.metric import Evaluation, Metric, Statistics

Array = np.ndarray


@dataclass(frozen=True)
class Blocks:
    """Blocks of a single item, which are counted by an interval in place of items.

    Attributes:
        words: Their number and length, or the reason why there are none.
        stats: Statistics of each, which add up to those of the item; None where there are too few.
        length: What a block is at least, in parts of the item (frames of a film).
    """

    words: str
    stats: Statistics | None
    length: int


class Weighted(Metric):
    """A metric that is computed for many weightings of the images at once (for jackknife and permutations).

    Attributes:
        several: Whether it is defined for images with several labels.
        scale: Scale of the interval: "share" for values in [0, 1]; "ratio" for values whose distance from the
            best value is positive and has no upper limit (errors, losses).
        rises: Whether it is biased upwards on few images, for example because it takes the highest precision
            to the right; the interval then lies about the value with the bias removed.
    """

    several: ClassVar[bool] = True
    scale: ClassVar[Literal["share", "ratio"]]
    rises: ClassVar[bool] = False

    @abstractmethod
    def values(self, stats: Statistics, weights: Array) -> Array:
        """The metric under each of B weightings.

        Args:
            stats: What `sample_statistics` gave, for all N images; N is at least 1.
            weights: (B, N) how often each image counts; floats, at least 0.

        Returns:
            (B,) values; nan where one is not defined.
        """

    def compute_from(self, stats: Statistics, weights: Array | None = None) -> float:
        """The metric over these images; see `Metric.value`."""
        n = size(stats)
        if n == 0:
            return float("nan")
        w = np.ones((1, n)) if weights is None else np.asarray(weights, dtype=np.float64)[None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(self.values(stats, w)[0])

    def blocks(self, evaluation: Evaluation, length: int = 0) -> Blocks | None:
        """Blocks of a single item; None for several items, and where a metric has no blocks.

        Args:
            evaluation: Of the item.
            length: Least length of a block, where the item itself asks for a shorter one.
        """
        del evaluation, length
        return None

    def interval(self, stats: Statistics, units: Array, level: float) -> tuple[float, float] | None:
        """Confidence interval of a metric whose value is biased by noise; None for all others.

        Args:
            stats: What `sample_statistics` gave, for all N images.
            units: (N,) number of the independent unit of each image, from 0; at least two units.
            level: Share of test sets whose interval holds the true value.
        """
        del stats, units, level
        return None


def size(stats: Statistics) -> int:
    """Number of images in these statistics."""
    return len(next(iter(stats.values()))) if stats else 0


def array(tensor: Any) -> Array:
    """A tensor as an array on the CPU; half precision becomes float32."""
    tensor = tensor.detach().cpu()
    return np.asarray(
        (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    )


def probabilities(prediction: Any) -> Array:
    """(N, K) scores of a prediction.

    Raises:
        ValueError: If the prediction has none.
    """
    if prediction.scores is None:
        raise ValueError("This metric needs class probabilities. Received a prediction without scores.")
    return array(prediction.scores)


def mean(x: Array, weights: Array) -> Array:
    """(B,) or (B, M) weighted means of (N,) or (N, M) numbers."""
    total = weights.sum(1)
    sums = weights @ np.asarray(x, dtype=np.float64)
    return np.asarray(sums / (total if sums.ndim == 1 else total[:, None]))


def by_class(labels: Array, weights: Array, classes: int) -> Array:
    """(B, K) weight of the images of each class.

    Args:
        labels: (N,) class index, or (N, K) bool.
        weights: (B, N).
        classes: K.
    """
    if labels.ndim == 2:
        return np.asarray(weights @ labels.astype(np.float64))
    rows = np.arange(len(weights))[:, None] * classes
    sums = np.bincount((rows + labels).ravel(), weights=weights.ravel(), minlength=len(weights) * classes)
    return sums.reshape(len(weights), classes)


def confusion(stats: Statistics, weights: Array) -> tuple[Array, Array, Array]:
    """(B, K) weighted counts of right, target and predicted images of each class, from `decisions`."""
    target, predicted = stats["target"], stats["predicted"]
    if target.ndim == 2:
        return tuple(by_class(x, weights, 0) for x in (target & predicted, target, predicted))  # type: ignore[return-value]
    classes = int(max(target.max(), predicted.max())) + 1
    right = by_class(target, weights * (target == predicted), classes)
    return right, by_class(target, weights, classes), by_class(predicted, weights, classes)


def decisions(prediction: Any, target: Any) -> Statistics:
    """Targets and decisions of each image: (N,) class indices or (N, K) bool."""
    return {"target": array(target.value), "predicted": array(prediction.value)}


def errors(prediction: Any, target: Any) -> Array:
    """(N, M) predicted minus target values, float64."""
    return np.asarray(array(prediction.value).astype(np.float64) - array(target.value).astype(np.float64))


def average(values: Array, defined: Array) -> Array:
    """(B,) means over the classes where a value is defined; nan if it is defined for none.

    Args:
        values: (B, K); what stands where it is not defined does not matter.
        defined: (B, K) bool.
    """
    return np.asarray(np.where(defined, values, 0.0).sum(1) / defined.sum(1))
