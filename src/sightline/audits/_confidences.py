"""Confidence where a prediction is no class of an image: numbers, objects, pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sightline.audits._case import Case, Part, shown
from sightline.audits._statistics import share
from sightline.core.metric import Evaluation, Statistics
from sightline.core.report import Score
from sightline.metrics import intervals
from sightline.metrics.ece import Ece
from sightline.metrics.functional.keypoints import by_oks
from sightline.metrics.functional.masks import by_masks
from sightline.metrics.functional.matching import Measure, by_boxes, matches

MEASURES: Mapping[str, Measure] = {"instances": by_boxes, "outlines": by_masks, "keypoints": by_oks}
"""By which overlap an object of each kind counts as found."""
PIXELS = 256
"""Pixels of an image that are asked for their confidence."""
FEW = 30
"""Objects below which nothing is said of their scores."""


def ece_of(stats: Statistics, groups: np.ndarray | None) -> Score:
    """The calibration error of {"confidence", "right"}, with images or groups as units."""
    return intervals.score(Ece(), stats, groups=groups)


def of_objects(part: Part, settings: Mapping[str, Any]) -> tuple[Statistics, np.ndarray]:
    """{"confidence", "right": (D, 1)} of the objects that are shown, and the (D,) names of their units.

    Right is an object of the class that overlaps an annotated one by 0.5 (IoU or OKS), one for each. Those
    that COCO ignores are left out.
    """
    prediction = shown(part.prediction, settings)
    matched = matches(Evaluation(prediction, part.target), MEASURES[part.target.kind])
    taken = matched.shown
    counts = (matched.ignored[:, 0] & 1) == 0
    right = ((matched.found[:, 0] & 1) != 0)[counts]
    names = part.ids if part.dataset.groups is None else part.dataset.groups
    units = np.asarray(names, dtype=object).astype(str)[taken.image[counts]]
    return {"confidence": taken.score[counts][:, None], "right": right[:, None].astype(np.float64)}, units


@torch.no_grad()
def of_pixels(case: Case, part: Part) -> Statistics | None:
    """{"confidence", "right": (N, P)} of P random pixels of each image, at the size of the input; None for a
    model without a logit for each class and pixel. Images with too few pixels of a class repeat some.
    """
    model = case.model
    assert model is not None
    rng, rows = np.random.default_rng([case.seed, 50]), []
    for batch in case.loader(part.dataset).epoch(0):
        logits = model(batch.images.to(case.devices.device)).get("logits")
        if logits is None or logits.ndim != 4:
            return None
        best, named = logits.float().softmax(1).cpu().max(1)
        target = batch.targets.dense().long()
        if best.shape[1:] != target.shape[1:]:
            return None
        for p, k, t in zip(best.numpy(), named.numpy(), target.numpy(), strict=True):
            defined = np.flatnonzero(t.ravel() < logits.shape[1])
            if len(defined):
                chosen = rng.choice(defined, PIXELS, replace=len(defined) < PIXELS)
                rows.append((p.ravel()[chosen], (k.ravel() == t.ravel())[chosen]))
    confidence, right = (np.stack(values).astype(np.float64) for values in zip(*rows, strict=True))
    return {"confidence": confidence, "right": right}


def of_numbers(part: Part, seed: int, coverage: float) -> tuple[int, Score, float, float]:
    """Conformal intervals: the output whose intervals hold its number least often, in which share of the
    images they do, their half width, and that of intervals around the median of all images.

    Both are fitted on one half of the images and counted on the other, both ways.

    Source: Lei et al., Distribution-free predictive inference for regression, Journal of the American
    Statistical Association 113, 2018, section 2.2 (split conformal).
    """
    target, predicted = (v.value.double().numpy() for v in (part.target, part.prediction))
    first = np.random.default_rng(seed).permutation(len(target)) < len(target) // 2
    outcomes: list[tuple[int, Score, float, float]] = []
    for output in range(target.shape[1]):
        defined = np.isfinite(target[:, output])
        y, guess = target[defined, output], predicted[defined, output]
        held, widths = _held(np.abs(y - guess), first[defined], coverage)
        around = _held(np.abs(y - np.median(y)), first[defined], coverage)[1]
        outcomes.append((output, share(held, len(y)), widths, around))
    return min(outcomes, key=lambda row: row[1].value)


def _held(distances: np.ndarray, first: np.ndarray, coverage: float) -> tuple[int, float]:
    held, limits = 0, []
    for fitted, counted in ((first, ~first), (~first, first)):
        limit = threshold(distances[fitted], coverage)
        held += int((distances[counted] <= limit).sum())
        limits.append(limit)
    return held, float(np.mean(limits))


def threshold(distances: np.ndarray, coverage: float) -> float:
    """The conformal quantile; infinite where there are too few distances for one."""
    rank = math.ceil((len(distances) + 1) * coverage)
    return float(np.sort(distances)[rank - 1]) if rank <= len(distances) else math.inf
