"""Mask IoU: pairs of overlapping masks, shared by all mask metrics, and as the measure of COCO matching."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Evaluation
from sightline.metrics.functional.matching import THRESHOLDS, Detections, Pairs, flags, keys, overlaps
from sightline.metrics.functional.weighted import Array, array
from sightline.ops.masks import ious

ANY = 1e-12
"""Overlap of boxes that is less than that of any two which share a pixel."""


def by_masks(evaluation: Evaluation, shown: Detections) -> tuple[Pairs, Array]:
    """Mask IoU as the measure for `matching.matches`."""
    prediction = evaluation.prediction
    areas = prediction.masks.areas() if prediction.areas is None else prediction.areas
    return local_pairs(mask_pairs(evaluation), shown.row), array(areas)[shown.row].astype(np.float64)


def mask_pairs(evaluation: Evaluation) -> Pairs:
    """All pairs of one image and class with a mask IoU of at least 0.5, computed once for all metrics.

    Args:
        evaluation: `InstanceMasks` of N images, beside those that are there.

    Returns:
        (P,) rows of the prediction, rising; rows of the target; and their IoU, with a crowd the share of
        the predicted mask that lies in it.

    Raises:
        ValueError: If either has no masks, or they have not as many images.
    """
    return evaluation.once("mask pairs", lambda: _pairs(evaluation.prediction, evaluation.target))


def local_pairs(pairs: Pairs, rows: Array) -> Pairs:
    """Pairs restricted to some rows of the prediction, with indices into `rows`."""
    of, other, iou = pairs
    place = np.full(max(rows.max(initial=-1), of.max(initial=-1)) + 1, -1)
    place[rows] = np.arange(len(rows))
    keep = place[of] >= 0
    return place[of[keep]], other[keep], iou[keep]


def require_masks(prediction: Any, target: Any) -> None:
    """Raise ValueError unless both have masks and as many images."""
    if prediction.masks is None or target.masks is None:
        raise ValueError("Metrics on masks need the mask of each object. Received boxes only.")
    if len(prediction) != len(target):
        raise ValueError(f"The prediction has {len(prediction)} images and the target {len(target)}.")


def _pairs(prediction: Any, target: Any) -> Pairs:
    """`mask_pairs` without the cache: (P,), (P,) int64 rows and (P,) float64 IoU."""
    require_masks(prediction, target)
    labels, others = array(prediction.labels), array(target.labels)
    classes = int(max(labels.max(initial=0), others.max(initial=0))) + 1
    of, other, _ = overlaps(
        array(prediction.masks.boxes()),
        keys(array(prediction.image), labels, classes),
        array(target.masks.boxes()),
        keys(array(target.image), others, classes),
        None,
        ANY,
    )
    least = float(THRESHOLDS[0])
    iou = ious(prediction.masks, target.masks, of, other, flags(target)[0], least)
    keep = iou >= least
    return of[keep], other[keep], iou[keep]
