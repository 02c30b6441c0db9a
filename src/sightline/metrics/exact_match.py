"""Exact match: the share of captions that are one of their references, word for word."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.captions import words_of_captions
from sightline.metrics.functional.weighted import Array, Weighted, mean


class ExactMatch(Weighted):
    """Share of the images whose caption is one of the references; capitals and punctuation do not count.

    It says something where captions follow a grammar; free text is hardly ever the same twice.
    """

    card = MetricCard(
        name="exact match",
        summary="share of captions that are one of their references, word for word",
        higher_is_better=True,
        best=1.0,
        target_types=("text",),
        is_proportion=True,
        percent=True,
    )
    scale: ClassVar = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right": (N,)}."""
        rows = words_of_captions(evaluation)
        return {
            "right": np.array([candidate in references for candidate, references in rows], dtype=np.float64)
        }

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["right"], weights)


METRIC = ExactMatch
