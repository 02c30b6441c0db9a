"""Recall at 1: whether the nearest other image is of the same class."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Metric, Statistics


class Recall(Metric):
    """Share of images whose nearest other one by cosine is of their class."""

    card = MetricCard(
        name="recall@1",
        summary="share of images whose nearest other one is of their class",
        higher_is_better=True,
        best=1.0,
        target_types=("label",),
        percent=True,
    )

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        return {"embedding": prediction.embedding.double().numpy(), "label": target.value.numpy()}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        counts = np.ones(len(stats["label"])) if weights is None else weights
        vectors, labels = (stats[name][counts > 0] for name in ("embedding", "label"))
        if len(labels) < 2:
            return float("nan")
        near = vectors @ vectors.T - 9 * np.eye(len(labels))
        return float(np.average(labels[near.argmax(1)] == labels, weights=counts[counts > 0]))
