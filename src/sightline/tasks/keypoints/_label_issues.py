"""Label issues of keypoints: left and right that are probably exchanged, and points at a wrong place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sightline.core.metric import Evaluation
from sightline.core.report import Finding
from sightline.core.targets.keypoints import VISIBLE, Keypoints
from sightline.metrics.functional.keypoints import point_errors, reference_lengths
from sightline.metrics.functional.weighted import Array, array

FINDINGS = ("keypoint-swap-issues", "keypoint-issues")
LIKELIER = 7.0
"""Log-likelihood by which exchanged labels must fit better than the given ones: a thousand times."""
FAR, FITS = 6.0, 2.0
"""Deviations of the model's errors: up to which a point is where the model says, and the most of the median
point of an object that the model is right about."""
CONFUSED = 0.2
"""Share of objects with a pair exchanged from which on the model itself cannot tell the sides."""
LEAST = 10
"""Objects that deviations are taken from, at least."""
SMALLEST = 0.005
"""Least deviation, as a share of the diagonal of the box: nobody annotates more exactly."""


def label_issues(
    prediction: Keypoints, target: Keypoints, ids: Sequence[str], trained: Collection[str]
) -> list[Finding]:
    """Findings of label issues: annotated points that a model contradicts.

    The errors of the model at each point are taken for normally distributed, with a deviation from their
    median over the objects, as a share of the diagonal of the box; of images that it was not trained on, if
    there are enough. Left and right of a pair are suspected if exchanged labels are a thousand times as
    likely and then lie where the model says. So is no pair of which the model has a fifth of the objects
    exchanged: it does not tell the sides. A visible point is suspected if it is more than six deviations
    away, in an object whose median point fits. Crowds and objects that were not predicted are never
    suspected.

    Args:
        prediction: Of N images.
        target: The points of the same images.
        ids: Names of the images.
        trained: Names of those that the model was trained on.
    """
    partner = point_errors(Evaluation(prediction, target)).partner
    length = reference_lengths(target, "diagonal")
    rows = np.flatnonzero((partner >= 0) & np.isfinite(length))
    if len(rows) < LEAST:
        return []
    goal, visibility = array(target.points)[rows].astype(np.float64), array(target.visibility)[rows]
    place = array(prediction.points)[partner[rows]].astype(np.float64)
    image = array(target.image)[rows]
    errors = np.linalg.norm(place - goal, axis=2) / length[rows, None]
    errors = np.where(visibility > 0, errors, np.nan)
    fresh = np.array([ids[i] not in trained for i in image.tolist()])
    deviation = _deviations(errors[fresh] if fresh.sum() >= LEAST else errors)
    swaps = _exchanged(place, goal, visibility > 0, length[rows], deviation, target.skeleton.pairs or ())
    far = _far(errors / deviation, visibility == VISIBLE, swaps)
    names, title = target.skeleton.names, _titles(target, rows, image, ids)
    by_object: dict[int, list[str]] = {}
    for m, a, b in swaps:
        by_object.setdefault(m, []).append(f"{names[a]} - {names[b]}")
    swap_lines = [f"{title[m]}{', '.join(pairs)}" for m, pairs in by_object.items()]
    far_lines = [
        f"{title[m]}{names[j]} {goal[m, j, 0]:g} {goal[m, j, 1]:g}, probably {place[m, j, 0]:.0f} "
        f"{place[m, j, 1]:.0f}"
        for m, j in far
    ]
    return [
        *_finding("keypoint-swap-issues", swap_lines,
                  "objects probably have left and right points exchanged: exchanged, they lie where the "
                  "model says",
                  "Look at them, from the top, and exchange the points. The rest are mistakes of the model."),
        *_finding("keypoint-issues", far_lines,
                  "points probably lie at a wrong place: the model is right about the other points of the "
                  "object",
                  "Look at them, from the top, and move them. The rest are mistakes of the model."),
    ]  # fmt: skip


def _deviations(errors: Array) -> Array:
    """(J,) deviation along an axis of errors (M, J), nan where there is none, from their median: that of a
    Rayleigh distribution is 1.177 deviations."""
    columns = ~np.isnan(errors).all(0)
    deviation = np.full(errors.shape[1], np.inf)
    deviation[columns] = np.nanmedian(errors[:, columns], 0) / np.sqrt(2 * np.log(2))
    return np.asarray(np.maximum(deviation, SMALLEST))


def _exchanged(
    place: Array,
    goal: Array,
    labeled: Array,
    length: Array,
    deviation: Array,
    pairs: Sequence[tuple[int, int]],
) -> list[tuple[int, int, int]]:
    """Object and pair of the labels that are probably exchanged, the likeliest first."""
    suspects = []
    for a, b in pairs:
        both = labeled[:, [a, b]].all(1)
        scale = np.array([deviation[a], deviation[b]]) * length[:, None]
        straight = np.linalg.norm(place[:, [a, b]] - goal[:, [a, b]], axis=2) / scale
        crossed = np.linalg.norm(place[:, [a, b]] - goal[:, [b, a]], axis=2) / scale
        gain = ((straight**2).sum(1) - (crossed**2).sum(1)) / 2
        if (both & (gain > 0)).sum() >= CONFUSED * max(int(both.sum()), 1):
            continue
        wrong = np.flatnonzero(both & (gain > LIKELIER) & (crossed <= FAR).all(1))
        suspects += [(float(gain[m]), m, a, b) for m in wrong.tolist()]
    return [(m, a, b) for _, m, a, b in sorted(suspects, key=lambda row: -row[0])]


def _far(ratio: Array, visible: Array, swaps: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Object and point of the labels that are probably misplaced, the furthest first; `ratio` (M, J) are
    errors in deviations."""
    alone = visible.copy()
    for object_row, a, b in swaps:
        alone[object_row, [a, b]] = False
    fits = np.nanmedian(np.where(np.isnan(ratio).all(1)[:, None], np.inf, ratio), 1) <= FITS
    m, j = np.nonzero(alone & (ratio > FAR) & fits[:, None])
    order = np.argsort(-ratio[m, j], kind="stable")
    return list(zip(m[order].tolist(), j[order].tolist(), strict=True))


def _titles(target: Keypoints, rows: Array, image: Array, ids: Sequence[str]) -> list[str]:
    """How the line on each object begins: its image and, of several there, its number."""
    first = array(target.counts.cumsum(0) - target.counts)
    counts = target.counts.tolist()
    numbers = (rows - first[image] + 1).tolist()
    return [
        f"{ids[i]}: " + (f"object {k}: " if counts[i] > 1 else "")
        for i, k in zip(image.tolist(), numbers, strict=True)
    ]


def _finding(name: str, lines: Sequence[str], message: str, fix: str) -> list[Finding]:
    """One finding on these lines, none where there are none."""
    if not lines:
        return []
    return [Finding(name, "warning", f"{len(lines):,} {message}", fix, len(lines), tuple(lines))]
