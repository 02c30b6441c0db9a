"""Mask prediction with a linear model on feature maps: which pixels of a box are the object.

Its inputs are the features at a pixel and the position within the box, so that pixels of neighbors and in the
corners of the box are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from sightline.classical.cells import finder
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.tasks.instance._crops import SIDE, pasted

Maps = Iterable[list[Tensor]]

PIXELS, LEAST = 60_000, 4
"""Pixels that are learnt from, over all images; those of one object at least."""
AROUND = 1.2
"""Side of the part that is looked at, by that of the box: boxes that were found are not exact."""
PENALTY, ROUNDS = 10.0, 100
"""On squared weights; rounds of the logistic regression at most."""


@dataclass(frozen=True)
class Pixels:
    """Linear classifier of pixels: object or not, from features and position in the box.

    Attributes:
        maps: (D,) weights of the maps, one after the other.
        places: (5,) weights of what `_places` gives.
        bias: Added to them.
    """

    maps: Tensor
    places: Tensor
    bias: float


def outliner(maps: Maps, target: InstanceMasks, classes: int) -> Callable[[Maps], InstanceMasks]:
    """Fit a detector with masks on feature maps of images.

    Args:
        maps: Of each image its maps, (D, h, w) each, finest first; gone through once.
        target: Of the images; groups are neither learnt nor taken for background.
        classes: Number of classes K.
    """
    examples: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
    find = finder(_passing(maps, target, examples), target, classes)
    pixels = _fit_classifier(examples)
    nothing = InstanceMasks.of(
        torch.zeros(0, 2).long(),
        torch.zeros(0).long(),
        CroppedMasks.of([]),
        torch.zeros(0).long(),
        torch.zeros(0),
    )

    def predict(new: Maps) -> InstanceMasks:
        outlines = [nothing]
        for levels in new:
            detections = find([levels])
            grids = _chances(levels, detections.boxes, detections.sizes[0].tolist(), pixels)
            masks = pasted(grids, _around(detections.boxes), detections.sizes[0].tolist())
            assert detections.scores is not None
            whole = InstanceMasks.of(
                detections.sizes, detections.counts, masks, detections.labels, detections.scores
            )
            outlines.append(whole.select(masks.areas() > 0))
        return InstanceMasks.cat(outlines)

    return predict


def _passing(
    maps: Maps, target: InstanceMasks, examples: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]
) -> Iterator[list[Tensor]]:
    """Yield the maps unchanged, and collect pixel features and labels of each image."""
    rng = np.random.default_rng(0)
    for i, levels in enumerate(maps):
        objects = target[i]
        rows = objects.bitmaps.areas() > 0
        objects = objects.select(rows if objects.crowd is None else rows & ~objects.crowd)
        if len(objects.labels):
            each = max(LEAST, PIXELS // (len(target) * len(objects.labels)))
            places = torch.from_numpy(rng.uniform(-0.5, 0.5, (len(objects.labels), each, 2))).float()
            points = _points(_around(objects.boxes), places)
            maps_there = _sampled(levels, points.reshape(-1, 2), objects.sizes[0].tolist())
            x = torch.cat([maps_there, _places(places).reshape(-1, 5)], 1)
            examples.append((x.numpy(), _within(objects.bitmaps, points)))
        yield levels


def _around(boxes: Tensor) -> Tensor:
    """(M, 4) boxes with the same centers, enlarged by `AROUND`."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * AROUND / 2
    return torch.cat([middle - half, middle + half], 1)


def _points(boxes: Tensor, places: Tensor) -> Tensor:
    """(M, P, 2) pixels from (M, P, 2) relative positions in boxes, -0.5 to 0.5 of width and height."""
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return middle[:, None] + places * side[:, None]


def _places(places: Tensor) -> Tensor:
    """(..., 5) features of a relative position in a box; an ellipse is linear in them."""
    x, y = places.unbind(-1)
    return torch.stack([x, y, x * x, y * y, x * y], -1)


def _sampled(levels: list[Tensor], points: Tensor, size: list[int]) -> Tensor:
    """(n, D) bilinear samples of feature maps at (n, 2) pixels x, y of an image (height, width)."""
    grid = (points / torch.tensor(size[::-1]) * 2 - 1)[None, None].float()
    parts = [
        F.grid_sample(m[None].float(), grid, padding_mode="border", align_corners=False)[0, :, 0]
        for m in levels
    ]
    return torch.cat(parts).T


def _within(masks: CroppedMasks, points: Tensor) -> NDArray[np.bool_]:
    """(M * P,) bool: whether each of the (M, P, 2) points lies on its object."""
    inside = np.zeros(points.shape[:2], dtype=bool)
    where = np.floor(points.numpy()).astype(int)
    for values, (x, y, crop), at in zip(inside, masks, where, strict=True):
        column, row = at[:, 0] - x, at[:, 1] - y
        covered = (column >= 0) & (row >= 0) & (column < crop.shape[1]) & (row < crop.shape[0])
        values[covered] = crop[row[covered], column[covered]] > 0
    return inside.ravel()


def _fit_classifier(examples: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> Pixels:
    """Fit logistic regression; without negatives, every pixel belongs to the object."""
    y = np.concatenate([e[1] for e in examples]) if examples else np.ones(1, dtype=bool)
    if y.all() or not y.any():
        return Pixels(torch.zeros(0), torch.zeros(5), 1.0)
    scale = StandardScaler()
    x = scale.fit_transform(np.concatenate([e[0] for e in examples]).astype(np.float64))
    model = LogisticRegression(C=1 / PENALTY, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may stop as far as it has come
        model.fit(x, y)
    weight = model.coef_[0] / scale.scale_
    bias = float(model.intercept_[0] - weight @ scale.mean_)
    weights = torch.from_numpy(weight).float()
    return Pixels(weights[:-5], weights[-5:], bias)


def _chances(levels: list[Tensor], boxes: Tensor, size: list[int], pixels: Pixels) -> Tensor:
    """(M, S, S) probability that each grid cell of a box belongs to the object.

    What is linear may be interpolated afterwards: the weighted sum is worked out in the maps' own grids.
    """
    at = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    places = torch.stack([at.expand(SIDE, SIDE), at[:, None].expand(SIDE, SIDE)], -1).reshape(1, -1, 2)
    total = (_places(places) @ pixels.places).expand(len(boxes), -1) + pixels.bias
    if len(pixels.maps) and len(boxes):
        parts = torch.split(pixels.maps, [len(m) for m in levels])
        sums = [torch.einsum("d,dhw->hw", p, m.float())[None] for p, m in zip(parts, levels, strict=True)]
        points = _points(_around(boxes), places.expand(len(boxes), -1, 2)).reshape(-1, 2)
        total = total + _sampled(sums, points, size).sum(1).view(len(boxes), -1)
    return total.sigmoid().view(-1, SIDE, SIDE)
