"""PQ (panoptic quality): F1 of matched objects times the mean IoU of the matches."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.objects import match_objects
from sightline.metrics.functional.rows import pack, unpack
from sightline.metrics.functional.weighted import Array, Weighted, array, average

_FIELDS = ("overlap", "right", "wrong", "missed")
_RECORD = np.dtype([("label", "i4"), *((name, "f8" if name == "overlap" else "i4") for name in _FIELDS)])
ABOVE = np.array([np.nextafter(0.5, 1)])
"""Least IoU: more than half, so that only one mask fits an object, if masks do not overlap each other."""


class PanopticQuality(Weighted):
    """Mean over the classes, which occur in target or prediction, of sum(IoU of TP) / (TP + FP / 2 + FN / 2).

    Objects only ("things"). Those said with a confidence of at least 0.5 count, all if they have none.
    In the paper masks do not overlap each other; where they do, the more confident one takes the
    object. Masks that lie by more than half in a crowd of their class and find nothing are left out.

    Source: Kirillov et al., Panoptic segmentation, CVPR 2019, section 4.

    """

    card = MetricCard(
        name="PQ",
        summary="panoptic quality of objects with a confidence of 0.5 or more, mean over the classes",
        higher_is_better=True,
        best=1.0,
        target_types=("outlines",),
    )
    scale = "share"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"classes": (N,) bytes}: label, sum of IoU, TP, FP and FN of the classes in each image."""
        t, target = match_objects(evaluation, ABOVE), evaluation.target
        missed = t.counted & ~t.found[:, 0]
        image = np.r_[t.image, array(target.image)[missed]].astype(np.int64)
        label = np.r_[t.label, array(target.labels)[missed]].astype(np.int64)
        predicted_count, more = len(t.image), int(missed.sum())
        columns = {
            "overlap": np.r_[np.where(t.right[:, 0], t.overlap[:, 0], 0.0), np.zeros(more)],
            "right": np.r_[t.right[:, 0], np.zeros(more)],
            "wrong": np.r_[t.wrong[:, 0], np.zeros(more)],
            "missed": np.r_[np.zeros(predicted_count), np.ones(more)],
        }
        wide = int(label.max(initial=0)) + 1
        cell, place = np.unique(image * wide + label, return_inverse=True)
        records = np.zeros(len(cell), dtype=_RECORD)
        records["label"] = cell % wide
        for name, values in columns.items():
            records[name] = np.bincount(place, weights=values, minlength=len(cell))
        return {"classes": pack(records, cell // wide, len(target))}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        records, image = unpack(stats["classes"], _RECORD)
        shape = (weights.shape[1], int(records["label"].max(initial=0)) + 1)
        at = (image, records["label"])

        def total(field: str) -> Array:
            each = sparse.csr_array((records[field].astype(np.float64), at), shape)
            return np.asarray(weights @ each)

        overlap, right, wrong, missed = map(total, _FIELDS)
        size = right + (wrong + missed) / 2
        return average(overlap / size, size > 0)


METRIC = PanopticQuality
