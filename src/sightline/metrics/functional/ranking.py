"""Ranking metrics (AUROC, average precision): scores of one class against the rest, and their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sightline.core.metric import Statistics
from sightline.metrics.functional.weighted import Array, array, average, probabilities


def ranking_statistics(prediction: Any, target: Any) -> Statistics:
    """{"scores": (N, K), "target": (N,) class or (N, K) bool}."""
    return {"scores": probabilities(prediction), "target": array(target.value)}


def one_against_rest(
    stats: Statistics, weights: Array, measure: Callable[[Array, Array], Array], negatives: bool
) -> Array:
    """(B,) mean of a measure over the classes.

    Args:
        stats: What `ranking_statistics` gave.
        weights: (B, N).
        measure: From (B, G) weights of positives and of negatives, by falling score, to (B,) values.
        negatives: Whether a class without negatives has no value; one without positives never has.
    """
    if np.isnan(stats["scores"]).any():
        return np.full(len(weights), np.nan)
    values, defined = [], []
    for positive, negative in _by_score(stats, weights):
        values.append(measure(positive, negative))
        defined.append((positive.sum(1) > 0) & ((negative.sum(1) > 0) | (not negatives)))
    return average(np.stack(values, 1), np.stack(defined, 1))


def _by_score(stats: Statistics, weights: Array) -> Iterator[tuple[Array, Array]]:
    """For each class, the weights of positives and negatives at each distinct score, by falling score."""
    scores, target = stats["scores"], stats["target"]
    for k in range(scores.shape[1]):
        label = target[:, k] if target.ndim == 2 else target == k
        if not label.any():
            zero = np.zeros((len(weights), 1))
            yield zero, zero
            continue
        order = np.argsort(-scores[:, k], kind="stable")
        ranked, weight = scores[order, k], weights[:, order]
        positive = weight * label[order]
        negative = weight - positive
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        if len(starts) < len(ranked):
            positive = np.add.reduceat(positive, starts, axis=1)
            negative = np.add.reduceat(negative, starts, axis=1)
        yield positive, negative
