"""ROUGE-L: how much of a caption and a reference is a common subsequence."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.captions import common_length, words_of_captions
from sightline.metrics.functional.weighted import Array, Weighted, mean

BETA = 1.2
"""Weight of the recall, as in the evaluation of COCO captions."""


class RougeL(Weighted):
    """F score of the longest common subsequence of words; the mean over the images.

    Precision and recall are those of the best reference, each by itself, as in `pycocoevalcap`.

    Source: Lin, ROUGE: a package for automatic evaluation of summaries, ACL workshop 2004.
    """

    card = MetricCard(
        name="ROUGE-L",
        summary="F score of the longest common subsequence of words, mean over the images",
        higher_is_better=True,
        best=1.0,
        target_types=("text",),
    )
    scale: ClassVar = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"score": (N,)}."""
        scores = []
        for candidate, references in words_of_captions(evaluation):
            common = [common_length(candidate, reference) for reference in references]
            recall = max((n / max(len(r), 1) for n, r in zip(common, references, strict=True)), default=0.0)
            precision = max(common, default=0) / max(len(candidate), 1)
            below = recall + BETA**2 * precision
            scores.append((1 + BETA**2) * precision * recall / below if below else 0.0)
        return {"score": np.array(scores, dtype=np.float64)}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return mean(stats["score"], weights)


METRIC = RougeL
