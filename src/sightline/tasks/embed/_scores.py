"""Scores of verification and of search. Their unit is the identity: pairs of few people are no many pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import UNIT, Metric, Statistics
from sightline.core.targets.base import Targets
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.metrics.functional.pairs import (
    STEPS,
    Counts,
    all_pairs,
    area,
    equal_error_rate,
    pairs_with,
    ranks,
    true_accepts,
)
from sightline.metrics.functional.weighted import Array, Weighted, array, mean

NEIGHBORS = 5
"""Of recall@5."""


def _card(name: str, summary: str, *, higher_is_better: bool = True) -> MetricCard:
    best = 1.0 if higher_is_better else 0.0
    return MetricCard(
        name, summary, higher_is_better, best, ("label",), percent=True, unit="identity", least_units=3
    )


class _OfVectors(Weighted):
    """Metric of all vectors together."""

    scale = "share"

    def sample_statistics(self, prediction: Targets, target: Targets) -> Statistics:
        """{"embedding": (N, D), "identity": (N,)}, and the identity as the unit."""
        assert isinstance(prediction, Vector)
        assert isinstance(target, ClassLabels)
        identity = array(target.value)
        return {"embedding": array(prediction.embedding.float()), "identity": identity, UNIT: identity}

    def per_unit(self, prediction: Targets, target: Targets, groups: Array | None) -> Statistics:
        """The same; the identity is the unit, whatever else groups the data."""
        del groups
        return self.sample_statistics(prediction, target)


class _OfPairs(_OfVectors):
    """Metric of genuine and impostor pairs."""

    @abstractmethod
    def of(self, genuine: Counts, impostor: Counts) -> float:
        """The value, given the levels of the pairs that count."""

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`; whole identities count or do not.

        Raises:
            ValueError: If weights are other than 0 and one other number.
        """
        vectors, identity = stats["embedding"], stats["identity"]
        whole = all_pairs(vectors, identity)
        values = []
        for row in weights:
            counted = row > 0
            if len(np.unique(row[counted])) > 1:
                raise ValueError("Images count once or not at all: an image is never paired with itself.")
            removed = pairs_with(vectors, identity, ~counted)
            genuine, impostor = (
                Counts(getattr(whole, name), getattr(removed, name)) for name in ("genuine", "impostor")
            )
            values.append(self.of(genuine, impostor))
        return np.array(values)


class TrueAccepts(_OfPairs):
    """Share of genuine pairs that are accepted, where the threshold accepts a given share of impostor pairs.

    Args:
        far: False accept rate.
    """

    def __init__(self, far: float) -> None:
        super().__init__()
        self.card = _card("TAR@FAR", f"true accept rate at a false accept rate of {far:.3g}")
        self._far = far

    def of(self, genuine: Counts, impostor: Counts) -> float:
        """See `pairs.true_accepts`."""
        return true_accepts(genuine, impostor, self._far)


class EqualErrors(_OfPairs):
    """Equal error rate: as many impostors accepted as genuine pairs rejected, by share."""

    card = _card("EER", "equal error rate of all pairs", higher_is_better=False)

    def of(self, genuine: Counts, impostor: Counts) -> float:
        """See `pairs.equal_error_rate`."""
        return equal_error_rate(genuine, impostor)


class AreaUnderRoc(_OfPairs):
    """Area under the ROC curve of all pairs."""

    card = _card("AUC", "area under the ROC curve of all pairs")

    def of(self, genuine: Counts, impostor: Counts) -> float:
        """See `pairs.area`."""
        return area(genuine, impostor)


class Accepted(_OfPairs):
    """Share of pairs that a fixed threshold accepts.

    Args:
        threshold: Cosine from which on a pair is accepted.
        genuine: Whether genuine pairs are counted, else impostor pairs.
    """

    def __init__(self, threshold: float, genuine: bool) -> None:
        super().__init__()
        kind = ("TAR", "genuine") if genuine else ("FAR", "impostor")
        text = f"share of {kind[1]} pairs with a cosine of {threshold:.3f} or more"
        self.card = _card(kind[0], text, higher_is_better=genuine)
        self._level, self._genuine = round(threshold * STEPS), genuine

    def of(self, genuine: Counts, impostor: Counts) -> float:
        """The share; nan without such pairs."""
        counts = genuine if self._genuine else impostor
        return counts.at_least(self._level) / len(counts) if len(counts) else float("nan")


class _OfRanks(_OfVectors):
    """Mean over images of how they find the others of their identity; the gallery is all other images."""

    @abstractmethod
    def each(self, first: Array, precision: Array) -> Array:
        """(N,) value of each image that has others of its identity."""

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`; weights are those of the images that search."""
        ranked = ranks(stats["embedding"], stats["identity"])
        asks = ranked.first > 0
        return mean(self.each(ranked.first[asks], ranked.precision[asks]), weights[:, asks])


class Recall(_OfRanks):
    """Share of images with another one of their identity among the nearest.

    Args:
        k: How many of the nearest are looked at.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        name = "rank-1" if k == 1 else f"recall@{k}"
        what = "the nearest other one is" if k == 1 else f"one of the {k} nearest others is"
        self.card = _card(name, f"share of images for which {what} of their identity")
        self._k = k

    def each(self, first: Array, precision: Array) -> Array:
        """1 where it is so."""
        return np.asarray(first <= self._k, dtype=np.float64)


class MeanPrecision(_OfRanks):
    """Mean average precision of the ranking of all other images."""

    card = _card("mAP", "mean average precision of the ranking of all other images")

    def each(self, first: Array, precision: Array) -> Array:
        """The average precision."""
        return precision


def metrics(far: float) -> Mapping[str, Metric]:
    """Fresh metrics by name, TAR at this FAR first."""
    fresh: list[Metric] = [TrueAccepts(far), EqualErrors(), AreaUnderRoc()]
    fresh += [Recall(1), Recall(NEIGHBORS), MeanPrecision()]
    return {metric.card.name: metric for metric in fresh}
