"""Metric: additive statistics of each image, and a value computed from them.

Every metric keeps one row of statistics for each image. So batches and processes merge in any
order, and an interval is computed from the same rows with other weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from sightline.core.card import MetricCard

Stats = dict[str, np.ndarray]


class Metric(ABC):
    """Base class of metrics: one number about predictions.

    Attributes:
        card: What it says.
        stats: Statistics so far; the first axis of each array is the image.
    """

    card: ClassVar[MetricCard]

    def __init__(self) -> None:
        self._parts: list[Stats] = []

    @abstractmethod
    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """Sufficient statistics of a batch, one row for each image."""

    @abstractmethod
    def value(self, stats: Stats, weights: np.ndarray | None = None) -> float:
        """The metric over these images.

        Args:
            stats: What `per_image` gave, for all images.
            weights: (N,) how often each image counts, or None for once each.

        Returns:
            The value; nan where it is not defined (no positives, no images).
        """

    def limit(self, truth: Any) -> str:
        """Reason why a perfect prediction cannot reach the best value on these items, in words; "" if it
        can.
        """
        del truth
        return ""

    def update(self, prediction: Any, truth: Any) -> None:
        """Add a batch."""
        self._parts.append(self.per_image(prediction, truth))

    def merge(self, other: Metric) -> None:
        """Add all statistics of another object."""
        self._parts.extend(other._parts)

    @property
    def stats(self) -> Stats:
        """Statistics of all images so far."""
        if not self._parts:
            return {}
        return {k: np.concatenate([p[k] for p in self._parts]) for k in self._parts[0]}

    def compute(self) -> float:
        """The value over all that was added; nan if that is nothing."""
        stats = self.stats
        return self.value(stats) if stats else float("nan")
