"""PCK: the percentage of correct keypoints, by a share of a reference length."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.keypoints import (
    chosen_reference,
    named_pairs,
    point_errors,
    reference_lengths,
)
from sightline.metrics.functional.weighted import Array, Weighted, mean

REFERENCES = ("torso", "box")
"""Reference lengths of PCK; the first one that the names of the points give, else the last."""


class Pck(Weighted):
    """Share of the labeled points that lie within a share of a reference length of the annotated place.

    Over all points at once, hidden ones too. Points of objects that were not predicted are wrong. Objects
    whose reference length is not known (a point of it is not labeled) are left out.

    Args:
        share: Of the reference length.
        reference: torso (left shoulder to right hip, else the other diagonal), head (top of the head to the
            neck), box (its longer side), or the distance of two points, NAME/NAME. auto: the torso if there
            are such points, else the box.

    Source: Yang and Ramanan, Articulated human detection with flexible mixtures of parts, TPAMI 2013; PCKh:
    Andriluka et al., 2D human pose estimation, CVPR 2014 (there with 0.6 of the diagonal of the head's box).
    """

    scale = "share"

    def __init__(self, share: float = 0.2, reference: str = "auto") -> None:
        super().__init__()
        self.share, self.reference = share, reference
        self.card = MetricCard(
            name=f"PCK{'h' if reference == 'head' else ''}@{share:g}",
            summary=f"share of the points within {share:g} of the "
            f"{'torso, or box without torso' if reference == 'auto' else reference} length",
            higher_is_better=True,
            best=1.0,
            target_types=("keypoints",),
            percent=True,
        )

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "points": (N,)}."""
        errors, target = point_errors(evaluation), evaluation.target
        kind = self.chosen(target)
        lengths = evaluation.once(f"length of {kind}", lambda: reference_lengths(target, kind))
        limit = self.share * lengths[errors.row]
        n, defined = len(target), ~np.isnan(limit)
        right = (errors.distance <= limit)[defined]
        image = errors.image[defined]
        return {
            "right": np.bincount(image, weights=right, minlength=n),
            "points": np.bincount(image, minlength=n),
        }

    def chosen(self, target: Any) -> str:
        """The reference that is used for a target."""
        return chosen_reference(target.skeleton, REFERENCES) if self.reference == "auto" else self.reference

    def limit(self, target: Any) -> str:
        """See `Metric.limit`: where the reference is unknown for some objects."""
        kind = self.chosen(target)
        lengths = reference_lengths(target, kind)[(target.visibility > 0).any(1).numpy()]
        missing = int(np.isnan(lengths).sum())
        if not missing or not (named_pairs(target.skeleton, kind) or len(lengths) == missing):
            return ""
        return f"leaves out {missing} of {len(lengths)} objects, whose {kind} is not labeled"

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray(mean(stats["right"], weights) / mean(stats["points"], weights))


METRICS = {
    "pck@0.2": Pck,
    "pck@0.1": partial(Pck, share=0.1),
    "pckh@0.5": partial(Pck, share=0.5, reference="head"),
}
