"""Report items of semantic segmentation: IoU by class, confusion matrix, borders, areas, the worst images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from sightline.core.report import BarPlot, Figure, LinePlot, Matrix, PredictionGallery, Table
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.metrics.pixels import class_ious, confusion

MAX_SHOWN = 8
"""Images in a gallery."""
REACH = (1, 2, 3, 5, 8, 12, 20, 32)
"""Distances in pixels from a border of the target up to which mistakes are counted."""


def figures(
    prediction: SemanticMasks, target: SemanticMasks, ids: list[str], names: Sequence[str]
) -> list[Figure]:
    """The exhibits, in order.

    Args:
        prediction: A class for each pixel of N images.
        target: What is there.
        ids: Names of the images.
        names: Names of the K classes.
    """
    each = np.stack([confusion(prediction[i], target[i], len(names)) for i in range(len(ids))])
    counts = each.sum(0)
    areas = _label_classes(counts.sum(1) / max(counts.sum(), 1), names)
    return [
        _per_class(counts, names),
        BarPlot("IoU of each class", "class", "IoU", _label_classes(class_ious(counts), names)),
        _confusion(counts, names),
        _edges(prediction, target),
        *_galleries(prediction, target, each, ids, names),
        BarPlot("Area of each class", "class", "share of the pixels", areas),
    ]


def _label_classes(values: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    return {n: float(v) for n, v in zip(names, values, strict=True) if v == v}


def _per_class(counts: np.ndarray, names: Sequence[str]) -> Table:
    right, target, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [class_ious(counts), 2 * right / (target + predicted), right / predicted, right / target]
    rows = [[n, int(target[k]), *(float(c[k]) for c in columns)] for k, n in enumerate(names)]
    note = "Over all pixels of all images at once; pixels without a class in the target are left out."
    return Table("Per class", ["class", "pixels", "IoU", "Dice", "precision", "recall"], rows, note)


def _confusion(counts: np.ndarray, names: Sequence[str]) -> Matrix:
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    note = "Rows: target. Columns: prediction. Per cent of the pixels of each true class."
    return Matrix("Confusion matrix", list(names), shares.round(1).tolist(), note)


def _edges(prediction: SemanticMasks, target: SemanticMasks) -> LinePlot:
    """Share of the errors near borders between classes."""
    wrong, pixels = np.zeros(len(REACH) + 1), np.zeros(len(REACH) + 1)
    for i in range(len(target)):
        predicted, expected = prediction.map(i), target.map(i)
        valid = expected != IGNORE_INDEX
        bins = np.digitize(_distance(expected), REACH)[valid]
        pixels += np.bincount(bins, minlength=len(REACH) + 1)
        wrong += np.bincount(bins, weights=(predicted != expected)[valid], minlength=len(REACH) + 1)
    share = wrong.cumsum()[:-1] / max(wrong.sum(), 1)
    ground = pixels.cumsum()[:-1] / max(pixels.sum(), 1)
    series = {
        "mistakes": list(zip(map(float, REACH), share.tolist(), strict=True)),
        "all pixels": list(zip(map(float, REACH), ground.tolist(), strict=True)),
    }
    note = "The further the upper curve lies above the lower, the more the mistakes are a matter of borders."
    return LinePlot("Mistakes near borders", "within so many pixels of a border", "share", series, note=note)


def _distance(class_map: np.ndarray) -> np.ndarray:
    """(H, W) distance in pixels to the nearest pixel of another class, minus one."""
    edge = np.zeros(class_map.shape, dtype=bool)
    across, down = class_map[:, 1:] != class_map[:, :-1], class_map[1:] != class_map[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    if not edge.any():
        return np.full(class_map.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~edge))


def _galleries(
    prediction: SemanticMasks, target: SemanticMasks, each: np.ndarray, ids: list[str], names: Sequence[str]
) -> list[Figure]:
    right, pixels = each.diagonal(axis1=1, axis2=2).sum(1), each.sum((1, 2))
    wrong = 1 - right / np.maximum(pixels, 1)
    worst = np.argsort(-wrong, kind="stable")[:MAX_SHOWN].tolist()
    some = np.random.default_rng(0).permutation(len(ids))[:MAX_SHOWN].tolist()
    note = "Target, prediction, and in red what differs; what has no class in the target is left as it is."
    items: list[Figure] = []
    for title, chosen in (("Images with most mistakes", worst), ("A sample of the images", some)):
        captions = [f"{100 * wrong[i]:.1f} % of the pixels wrong" for i in chosen]
        where = torch.tensor(chosen)
        items.append(
            PredictionGallery(
                title, [ids[i] for i in chosen], captions, note, target[where], prediction[where], names
            )
        )
    return items
