"""AJI (aggregated Jaccard index): one number for the detection and the segmentation of nuclei."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Statistics
from sightline.metrics.functional.masks import ANY, require_masks
from sightline.metrics.functional.matching import flags, overlaps
from sightline.metrics.functional.objects import confident
from sightline.metrics.functional.weighted import Array, Weighted, array, mean
from sightline.ops.masks import shared


class Aji(Weighted):
    """Mean over the images of the aggregated Jaccard index, whatever the classes of the objects.

    Each true object is held against the predicted one with the greatest IoU, which may serve several.
    The index is the sum of their shared pixels over the sum of their unions, to which the area of every
    predicted object that serves none is added. Objects said with a confidence of at least 0.5 count, all
    if they have none. Crowds and difficult objects, and masks that lie in them by half, are left out, and
    so are images where nothing is and nothing is said.

    Source: Kumar et al., A dataset and a technique for generalized nuclear segmentation for computational
    pathology, IEEE Trans. Med. Imaging 36, 2017, algorithm 1.

    """

    card = MetricCard(
        name="AJI",
        summary="aggregated Jaccard index of objects with a confidence of 0.5 or more, mean over the images",
        higher_is_better=True,
        best=1.0,
        target_types=("outlines",),
    )
    scale = "share"

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        """{"shared", "union": (N,) pixels}."""
        require_masks(prediction, target)
        row, apart = confident(prediction), flags(target)[1]
        image, true_image = array(prediction.image)[row], array(target.image)
        boxes, true_boxes = array(prediction.masks.boxes())[row], array(target.masks.boxes())
        of, other, _ = overlaps(boxes, image, true_boxes, true_image, None, ANY)
        both, first, second = shared(prediction.masks, target.masks, row[of], other)
        either = first + second - both
        fits = (both > 0) & ~apart[other]
        # By true object; of its pairs the best last, of equal ones the one said first.
        order = np.lexsort((-of, both / np.maximum(either, 1), other))
        order = order[fits[order]]
        best = order[np.flatnonzero(np.diff(other[order], append=-1))]
        spare = np.ones(len(row), dtype=bool)
        spare[of[apart[other] & (2 * both >= first)]] = False
        spare[of[best]] = False
        lonely = ~apart
        lonely[other[best]] = False
        areas, true_areas = (array(x.masks.areas()).astype(np.float64) for x in (prediction, target))

        def total(where: Array, pixels: Array) -> Array:
            return np.bincount(where, weights=pixels, minlength=len(target)).astype(np.float64)

        matched = true_image[other[best]]
        alone = total(true_image[lonely], true_areas[lonely]) + total(image[spare], areas[row[spare]])
        return {"shared": total(matched, both[best]), "union": total(matched, either[best]) + alone}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        nonempty = stats["union"] > 0
        return mean(stats["shared"][nonempty] / stats["union"][nonempty], weights[:, nonempty])


METRIC = Aji
