"""Metric: additive statistics of each image, and a value computed from them.

Every metric keeps one row of statistics for each image. So batches and processes merge in any
order, and an interval is computed from the same rows with other weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.targets.base import Targets

Statistics = dict[str, np.ndarray]
UNIT = "unit"
"""Statistics of this name say which unit (sequence, pair, identity) each row is of."""
_T = TypeVar("_T")


class Evaluation:
    """Predictions and targets with shared intermediate results, so that metrics compute them once.

    Args:
        prediction: Of N images.
        target: Of the same images.
        groups: (N,) name of the sequence, case or identity of each image; None where the data name none.

    Attributes:
        computed: How often each piece of shared work was done, by its name.
    """

    def __init__(self, prediction: Any, target: Any, groups: np.ndarray | None = None) -> None:
        self.prediction, self.target, self.groups = prediction, target, groups
        self.computed: Counter[Hashable] = Counter()
        self._results: dict[Hashable, Any] = {}

    def once(self, name: Hashable, compute: Callable[[], _T]) -> _T:
        """Cached result of `compute`, which is called once for each name."""
        if name not in self._results:
            self._results[name] = compute()
            self.computed[name] += 1
        result: _T = self._results[name]
        return result


class Metric(ABC):
    """Base class of metrics: one number about predictions. A subclass has `sample_statistics`, or
    `from_evaluation` if it shares work with other metrics; each calls the other by default.

    Attributes:
        card: What it says.
        stats: Statistics so far; the first axis of each array is the image.
    """

    card: MetricCard

    def __init__(self) -> None:
        methods = type(self).sample_statistics, type(self).from_evaluation
        if methods == (Metric.sample_statistics, Metric.from_evaluation):
            raise TypeError(f"{type(self).__name__} has neither sample_statistics nor from_evaluation.")
        self._parts: list[Statistics] = []

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """Sufficient statistics of a batch, one row for each image. An unpaired metric has features: some
        with a row for each prediction, others with a row for each target.
        """
        return self.from_evaluation(Evaluation(prediction, target))

    def per_unit(self, prediction: Targets, target: Targets, groups: np.ndarray | None) -> Statistics:
        """Statistics if the card's unit is not the image: any number of rows; `UNIT` can name their units. By
        default, those of each image, with its group as the unit.

        Args:
            prediction: Of whole units, in the order of the data.
            target: Their targets.
            groups: (N,) name of the sequence, case or identity of each image; None where the data name none.
        """
        stats = self.sample_statistics(prediction, target)
        return stats if groups is None else {**stats, UNIT: np.asarray(groups)}

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """Statistics of a batch, as in `sample_statistics`, with intermediate results that other metrics
        share.
        """
        return self.sample_statistics(evaluation.prediction, evaluation.target)

    @abstractmethod
    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        """The metric over these images.

        Args:
            stats: What `sample_statistics` gave, for all images.
            weights: (N,) how often each image counts, or None for once each.

        Returns:
            The value; nan where it is not defined (no positives, no images).
        """

    def limit(self, target: Targets) -> str:
        """Reason why a perfect prediction cannot reach the best value on these items, in words; "" if it
        can.
        """
        del target
        return ""

    def statistics(self, evaluation: Evaluation) -> Statistics:
        """Statistics of each image, or of each unit if the card says so."""
        if self.card.unit == "image":
            return self.from_evaluation(evaluation)
        return self.per_unit(evaluation.prediction, evaluation.target, evaluation.groups)

    def update(self, prediction: Any, target: Any, groups: np.ndarray | None = None) -> None:
        """Add a batch; see `statistics`."""
        self.add(Evaluation(prediction, target, groups))

    def add(self, evaluation: Evaluation) -> None:
        """Add a batch with shared intermediate results."""
        self._parts.append(self.statistics(evaluation))

    def merge(self, other: Metric) -> None:
        """Add all statistics of another object."""
        self._parts.extend(other._parts)

    @property
    def stats(self) -> Statistics:
        """Statistics of all images so far."""
        if not self._parts:
            return {}
        return {k: np.concatenate([p[k] for p in self._parts]) for k in self._parts[0]}

    def compute(self) -> float:
        """The value over all that was added; nan if that is nothing."""
        stats = self.stats
        return self.compute_from(stats) if stats else float("nan")


class MetricCollection(Mapping[str, Metric]):
    """Metrics by name that share intermediate results: objects are matched once for all of them.

    Args:
        metrics: Fresh metrics by name.

    Attributes:
        computed: How often each piece of shared work was done, over all batches.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = dict(metrics)
        self.computed: Counter[Hashable] = Counter()

    def update(self, prediction: Any, target: Any, groups: np.ndarray | None = None) -> None:
        """Add a batch to every metric; `groups` as in `Evaluation`."""
        evaluation = Evaluation(prediction, target, groups)
        for metric in self.values():
            metric.add(evaluation)
        self.computed += evaluation.computed

    def compute(self) -> dict[str, float]:
        """Value of each metric over all batches."""
        return {name: metric.compute() for name, metric in self.items()}

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)
