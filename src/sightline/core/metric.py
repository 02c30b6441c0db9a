"""Metric: per-image statistics that add up, and a value computed from them.

Because every metric keeps one row of statistics an image, batches and processes merge in any
order, and an interval is the same value over re-weighted rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from sightline.core.card import MetricCard

Stats = dict[str, np.ndarray]
UNIT = "unit"
"""Statistics of this name say which unit (sequence, pair, identity) each row is of."""


class Metric(ABC):
    """One number about predictions.

    Attributes:
        card: What it says.
        stats: Statistics so far; the first axis of each array is the image.
    """

    card: ClassVar[MetricCard]

    def __init__(self) -> None:
        self._parts: list[Stats] = []

    @abstractmethod
    def per_image(self, prediction: Any, truth: Any) -> Stats:
        """Sufficient statistics of a batch, one row an image. Of an unpaired metric: features, of which some
        have a row for each prediction, others one for each target.
        """

    def per_unit(self, prediction: Any, truth: Any, groups: np.ndarray | None) -> Stats:
        """Statistics where the card's unit is not the image: rows of any number; `UNIT` may name their units.
        Left as it is, those of each image, in whose group it is.

        Args:
            prediction: Of whole units, in the order of the data.
            truth: Their targets.
            groups: (N,) name of the sequence, case or identity of each image; None where the data name none.
        """
        stats = self.per_image(prediction, truth)
        return stats if groups is None else {**stats, UNIT: np.asarray(groups)}

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
        """What keeps a perfect answer from the best value on these items, in words; "" where nothing does."""
        del truth
        return ""

    def statistics(self, prediction: Any, truth: Any, groups: np.ndarray | None = None) -> Stats:
        """Those of each image, or of whole units where the card says that these are not images."""
        if self.card.unit == "image":
            return self.per_image(prediction, truth)
        return self.per_unit(prediction, truth, groups)

    def update(self, prediction: Any, truth: Any, groups: np.ndarray | None = None) -> None:
        """Add a batch; see `statistics`."""
        self._parts.append(self.statistics(prediction, truth, groups))

    def merge(self, other: Metric) -> None:
        """Add all that another one has seen."""
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
