"""VOC07 mAP: average precision of boxes as in the PASCAL VOC challenge of 2007."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.boxes import pack_matches, precisions, rank_detections
from sightline.metrics.functional.matching import NO_MATCH, flags, keys, ordered, overlaps
from sightline.metrics.functional.weighted import Array, Weighted, array, average

RECALLS = np.arange(11) / 10
"""Recalls at which the precision is read off."""


class VocAp(Weighted):
    """Mean over the classes of the average precision of boxes at IoU 0.5, read off at 11 recalls.

    A detection is held against the object of its class that it overlaps most, also where another
    detection has found that one already (COCO looks for the next best). Difficult objects, and
    crowds, are neither to be found nor wrong to find. All detections count. Boxes here end where
    the last pixel does, so that their width needs none of the "+ 1" of the challenge's own code.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 88, 2010, section 4.2.
    """

    card = MetricCard(
        name="VOC07 mAP",
        summary="mean over the classes of 11-point average precision of boxes at IoU 0.5 (VOC 2007)",
        higher_is_better=True,
        best=1.0,
        target_types=("instances",),
    )
    scale = "share"
    rises = True

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"detections", "objects": (N,) bytes}; see `boxes.packed`."""
        shown, label, place = ordered(prediction, target), array(target.labels), array(target.image)
        apart = flags(target)[1]
        classes = int(max(label.max(initial=0), shown.label.max(initial=0))) + 1
        of, other, iou = overlaps(
            array(prediction.boxes)[shown.row],
            keys(shown.image, shown.label, classes),
            array(target.boxes),
            keys(place, label, classes),
            None,
            0.5,
        )
        order = np.lexsort((other, -iou, of))
        of, at = np.unique(of[order], return_index=True)
        best = other[order][at]
        # Those of a class come by falling score, so that the first one has found the object.
        first = np.unique(best, return_index=True)[1]
        matched = np.zeros(len(shown.row), dtype=np.uint16)
        matched[of[first]] = 1
        ignored = np.zeros_like(matched)
        ignored[of[apart[best]]] = NO_MATCH
        detections = (shown.image, shown.label, shown.score)
        return pack_matches(len(target), detections, matched, ignored, (place[~apart], label[~apart]))

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        r = rank_detections(stats)
        values, defined = precisions(r, weights, (0,), RECALLS)
        return np.where(np.isnan(r.score).any(), np.nan, average(values[:, :, 0], defined))


METRIC = VocAp
