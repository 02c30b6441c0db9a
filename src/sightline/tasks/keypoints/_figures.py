"""Report items of keypoints: errors of each point, PCK curve, left and right, the worst images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sightline.core.metric import Evaluation
from sightline.core.report import Figure, ImageGrid, LinePlot, PredictionGallery, Table
from sightline.core.targets.keypoints import Keypoints
from sightline.metrics.functional.keypoints import PointErrors, point_errors, reference_lengths
from sightline.metrics.pck import Pck
from sightline.ops import draw

MAX_SHOWN = 8
"""Images in a gallery."""
MAX_CURVES = 8
"""Points up to which each has a curve."""
SIDE, MARGIN = 360, 40
"""Pixels of the drawn skeleton, and around it."""
COLORS = ((0, 114, 178), (86, 180, 233), (240, 228, 66), (230, 159, 0), (213, 94, 0))
"""From the smallest error to the largest, for all eyes (Okabe and Ito)."""


def figures(prediction: Keypoints, target: Keypoints, ids: list[str], reference: str) -> list[Figure]:
    """The report items, in order.

    Args:
        prediction: Of N images.
        target: The annotated points.
        ids: Names of the images.
        reference: Length that PCK is a share of; see `Pck`.
    """
    errors = point_errors(Evaluation(prediction, target))
    kind = Pck(reference=reference).chosen(target)
    share = errors.distance / reference_lengths(target, kind)[errors.row]
    names = target.skeleton.names
    means = [_mean(errors.distance[errors.point == j]) for j in range(len(names))]
    return [
        _per_point(errors, share, target, kind),
        _skeleton(means, target),
        _curve(errors, share, names, kind),
        *_left_right(prediction, target, errors.partner),
        *_galleries(prediction, target, errors, ids),
    ]


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _per_point(errors: PointErrors, share: np.ndarray, target: Keypoints, reference: str) -> Table:
    rows = []
    for j, name in enumerate(target.skeleton.names):
        mine = errors.point == j
        distance, defined = errors.distance[mine], ~np.isnan(share[mine])
        finite = distance[np.isfinite(distance)]
        right = [
            float(np.mean(share[mine][defined] <= limit)) if defined.any() else float("nan")
            for limit in (0.1, 0.2)
        ]
        median = float(np.median(finite)) if len(finite) else float("nan")
        rows.append([name, int(mine.sum()), _mean(distance), median, *right, target.skeleton.oks_sigmas[j]])
    lengths = reference_lengths(target, reference)[(target.visibility > 0).any(1).numpy()]
    known_sigmas = "those of the skeleton" if target.skeleton.sigmas else "one default for all points"
    note = (
        f"Pixels of the stored images. PCK is a share of the {reference}; it is known of "
        f"{int((~np.isnan(lengths)).sum())} of {len(lengths)} objects, the others are left out. "
        f"Sigmas of OKS: {known_sigmas}."
    )
    columns = ["point", "labeled", "mean px", "median px", "PCK@0.1", "PCK@0.2", "sigma"]
    return Table("Error of each point", columns, rows, note)


def _skeleton(means: list[float], target: Keypoints) -> ImageGrid:
    """The median pose, each point colored by its error."""
    boxes, labeled = target.boxes, target.visibility > 0
    side = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)[:, None]
    places = ((target.points - boxes[:, None, :2]) / side).masked_fill(~labeled[:, :, None], torch.nan)
    pose = places.nanmedian(0).values.nan_to_num(0.5).clamp(-0.5, 1.5).numpy()
    high, wide = (float(side[:, 0, k].median()) for k in (1, 0))
    scale = (SIDE - 2 * MARGIN) / max(high, wide)
    pose = pose * (wide * scale, high * scale) + MARGIN
    size = (round(high * scale) + 2 * MARGIN, round(wide * scale) + 2 * MARGIN)
    finite = [m for m in means if m == m]
    edges = np.quantile(finite, [0.2, 0.4, 0.6, 0.8]) if finite else np.zeros(4)
    colors = [COLORS[int(np.searchsorted(edges, m))] if m == m else (160, 160, 160) for m in means]
    canvas = np.full((*size, 3), 255, dtype=np.uint8)
    limbs = target.skeleton.limbs
    drawn = draw.keypoints(canvas, pose[None], np.full((1, len(means)), 2), limbs, colors, radius=9)
    order = np.argsort([-m if m == m else 0 for m in means])[:3]
    worst = ", ".join(f"{target.skeleton.names[j]} {means[j]:.1f}" for j in order)
    caption = f"mean error in pixels, largest: {worst}"
    note = "The median pose within the box. Blue points have the smallest error, orange and red the largest."
    return ImageGrid("Error of each point, drawn", [drawn], [caption], note, pixelated=False)


def _curve(errors: PointErrors, share: np.ndarray, names: tuple[str, ...], reference: str) -> LinePlot:
    limits = np.linspace(0, 0.5, 26)
    series = {"all points": _rising(share, limits)}
    if len(names) <= MAX_CURVES:
        series |= {name: _rising(share[errors.point == j], limits) for j, name in enumerate(names)}
    note = "Points of objects that were not predicted are wrong at every distance."
    return LinePlot(
        "PCK curve", f"distance as a share of the {reference}", "share of points within", series, note=note
    )


def _rising(share: np.ndarray, limits: np.ndarray) -> list[tuple[float, float]]:
    values = share[~np.isnan(share)]
    if not len(values):
        return []
    return [(float(limit), float((values <= limit).mean())) for limit in limits]


def _left_right(prediction: Keypoints, target: Keypoints, partner: np.ndarray) -> list[Figure]:
    """How often left and right are exchanged, of the objects that are paired with a predicted one."""
    skeleton, paired = target.skeleton, partner >= 0
    if not skeleton.pairs or not paired.any():
        return []
    points, goal = prediction.points[partner[paired]], target.points[paired]
    visibility = target.visibility[paired]
    rows: list[list[Any]] = []
    for a, b in skeleton.pairs:
        both = (visibility[:, [a, b]] > 0).all(1)
        if not both.any():
            continue
        straight, crossed = (
            (points[both][:, order] - goal[both][:, [a, b]]).norm(dim=2).sum(1) for order in ([a, b], [b, a])
        )
        swapped = int((crossed < straight).sum())
        names = f"{skeleton.names[a]} / {skeleton.names[b]}"
        rows.append([names, int(both.sum()), swapped, swapped / int(both.sum())])
    note = "Pairs whose predicted points fit better when they change places."
    return (
        [Table("Left and right exchanged", ["pair", "labeled", "exchanged", "share"], rows, note)]
        if rows
        else []
    )


def _galleries(prediction: Keypoints, target: Keypoints, errors: PointErrors, ids: list[str]) -> list[Figure]:
    finite = np.where(np.isfinite(errors.distance), errors.distance, target.sizes.max().item())
    points = np.bincount(errors.image, minlength=len(ids))
    sums = np.bincount(errors.image, weights=finite, minlength=len(ids))
    mean = np.where(points > 0, sums / np.maximum(points, 1), -1)
    labeled = np.flatnonzero(points)
    worst = labeled[np.argsort(-mean[labeled], kind="stable")][:MAX_SHOWN].tolist()
    some = np.random.default_rng(0).permutation(labeled)[:MAX_SHOWN].tolist()
    note = "Target, prediction, and lines from each point of the target (disc) to the predicted one (ring)."
    items: list[Figure] = []
    for title, chosen in (("Images with the largest errors", worst), ("A sample of the images", some)):
        captions = [f"mean error {mean[i]:.1f} px" for i in chosen]
        where = torch.tensor(chosen, dtype=torch.int64)
        shown = [ids[i] for i in chosen]
        items.append(PredictionGallery(title, shown, captions, note, target[where], prediction[where]))
    return items
