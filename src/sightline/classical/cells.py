"""Object detection with linear models on feature-map cells: class of each cell, and box by ridge regression.

A cell in the center of an object has the object's class, and a cell near its edge has an extra class, so that
neighbors stay apart. All other cells are background. Boxes are predicted from the same features.

Sources: cells in the center of objects: Tian et al., FCOS, ICCV 2019; ridge regression of boxes from frozen
features: Girshick et al., R-CNN, CVPR 2014, appendix C; the mean of overlapping boxes: Gidaris and
Komodakis, Object detection via a multi-region & semantic segmentation-aware CNN model, ICCV 2015, section 5.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import batched_nms, box_iou

from sightline.core.targets.instances import Instances

Maps = Iterable[list[Tensor]]

CELLS, OF_ONE = 30_000, 9
"""Cells that are learnt from, half of them on objects; those of one object at most."""
MIDDLE = 0.3
"""Share of an object's width and height that is its middle."""
PENALTY, ROUNDS = 100.0, 100
"""On squared weights, for classes and boxes alike; rounds of the logistic regression at most."""
LEAST, TRIED, OVERLAP, KEPT = 0.02, 2_000, 0.5, 300
"""Score of a cell at least; boxes an image before suppression; IoU that is one object; boxes after it."""


@dataclass(frozen=True)
class Cells:
    """Feature-map cells of one image.

    Attributes:
        features: (P, D) float32.
        points: (P, 2) x and y of their centres in pixels.
        step: (2,) width and height of a cell in pixels.
        size: (height, width) of the image in pixels.
    """

    features: Tensor
    points: Tensor
    step: Tensor
    size: tuple[int, int]


def cells(levels: list[Tensor], size: tuple[int, int]) -> Cells:
    """Resample all feature maps of an image to the grid of the middle one, and append means over 3 x 3 cells.

    Args:
        levels: (D, h, w) each, finest first.
        size: (height, width) of the image in pixels.
    """
    h, w = levels[len(levels) // 2].shape[1:]
    parts = []
    for level in levels:
        level_map = level.float()[None]
        finer = level_map.shape[2] > h or level_map.shape[3] > w
        parts.append(
            F.adaptive_avg_pool2d(level_map, (h, w))
            if finer
            else F.interpolate(level_map, size=(h, w), mode="bilinear", align_corners=False)
        )
    whole = torch.cat(parts, 1)
    whole = torch.cat([whole, F.avg_pool2d(whole, 3, 1, 1, count_include_pad=False)], 1)
    step = torch.tensor([size[1] / w, size[0] / h])
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    points = (torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5) * step
    return Cells(whole[0].flatten(1).T, points, step, size)


def finder(maps: Maps, target: Instances, classes: int) -> Callable[[Maps], Instances]:
    """Fit a detector on feature maps.

    Args:
        maps: Feature maps of each image, as `cells` takes them; iterated once.
        target: Targets of the images; crowds are neither objects nor background.
        classes: Number of classes K.

    Returns:
        A function from feature maps of images of the same size to their detections. It returns none if the
        targets hold no objects, or only objects and no background.
    """
    size = (int(target.sizes[0, 0]), int(target.sizes[0, 1])) if len(target) else (1, 1)
    rng, each = np.random.default_rng(0), max(20, CELLS // (2 * max(1, len(target))))
    features, labels, boxes = [], [], []
    for i, levels in enumerate(maps):
        grid = cells(levels, size)
        x, y, b = _examples(grid, target[i], classes, each, rng)
        features.append(x)
        labels.append(y)
        boxes.append(b)
    y = np.concatenate(labels) if labels else np.zeros(0, dtype=np.int64)
    if not (y < classes).any() or len(np.unique(y)) < 2:
        return lambda new: Instances.cat([_none(size) for _ in new] or [_none(size)[:0]])
    x, b = np.concatenate(features), np.concatenate(boxes)
    scale = StandardScaler()
    x = scale.fit_transform(x.astype(np.float64))  # float32 rounds by where arrays lie in memory
    chance = LogisticRegression(C=1 / PENALTY, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may stop as far as it has come
        chance.fit(x, y)
    ends = {k: Ridge(PENALTY).fit(x[y == k], b[y == k]) for k in np.unique(y[y < classes]).tolist()}
    return lambda new: Instances.cat(
        [_merged_objects(cells(m, size), scale, chance, ends) for m in new] or [_none(size)[:0]]
    )


def _none(size: tuple[int, int]) -> Instances:
    """Empty `Instances` of one image."""
    nothing = torch.zeros(0)
    return Instances(
        torch.tensor([0]), torch.tensor([size]), torch.zeros(0, 4), nothing.long(), nothing
    )  # fmt: skip


def assigned(grid: Cells, target: Instances, classes: int) -> tuple[Tensor, Tensor]:
    """Training target of each cell of an image.

    Returns:
        (P,) int64: a class in [0, K), K for background, K + 1 near the edge of an object, -1 in a group;
        (P,) int64 row of the object that a cell with a class lies on.
    """
    classes_of_cells = torch.full((len(grid.points),), classes, dtype=torch.int64)
    which = torch.zeros_like(classes_of_cells)
    centers, sides = (
        (target.boxes[:, :2] + target.boxes[:, 2:]) / 2,
        target.boxes[:, 2:] - target.boxes[:, :2],
    )
    crowd = torch.zeros(len(centers), dtype=torch.bool) if target.crowd is None else target.crowd
    rows = (~crowd & (sides > 0).all(1)).nonzero()[:, 0]
    away = ((grid.points[:, None] - centers) / sides.clamp(min=1e-6)).abs().amax(2)
    classes_of_cells[(away[:, crowd] < 0.5).any(1)] = -1
    if not len(rows):
        return classes_of_cells, which
    near, place = away[:, rows].min(1)
    classes_of_cells[near < 0.5] = classes + 1
    middle = near < MIDDLE / 2
    which[middle] = rows[place[middle]]
    # However small an object is, the cell next to its centre is its own.
    next_to = (((grid.points[:, None] - centers[rows]) / grid.step) ** 2).sum(2).argmin(0)
    which[next_to] = rows
    middle[next_to] = True
    classes_of_cells[middle] = target.labels[which[middle]]
    return classes_of_cells, which


def _examples(
    grid: Cells, target: Instances, classes: int, each: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Training samples (features (n, D), class (n,), box (n, 4)): up to `each` cells on objects, as many
    others.
    """
    classes_of_cells, which = assigned(grid, target, classes)
    on = ((classes_of_cells >= 0) & (classes_of_cells < classes)).nonzero()[:, 0]
    on = on[torch.from_numpy(rng.permutation(len(on)))]
    on = on[_turn(which[on]) < OF_ONE][:each]
    rest = (classes_of_cells >= classes).nonzero()[:, 0]
    rest = rest[torch.from_numpy(rng.permutation(len(rest))[:each])]
    box = torch.zeros(len(on) + len(rest), 4)
    low, high = target.boxes[which[on], :2], target.boxes[which[on], 2:]
    middle = ((low + high) / 2 - grid.points[on]) / grid.step
    box[: len(on)] = torch.cat([middle, ((high - low) / grid.step).clamp(min=1e-3).log()], 1)
    at = torch.cat([on, rest])
    return grid.features[at].numpy(), classes_of_cells[at].numpy(), box.numpy()


def _turn(which: Tensor) -> Tensor:
    """(n,) int64 number of equal entries before each entry."""
    order = which.argsort(stable=True)
    same = which[order]
    first = torch.searchsorted(same, same)
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(order)) - first
    return turn


def _merged_objects(grid: Cells, scale: Any, chance: Any, ends: dict[int, Any]) -> Instances:
    """Detections of one image: NMS, with the mean of each group of overlapping boxes."""
    x = scale.transform(grid.features.double().numpy())
    has_ends = torch.tensor([k in ends for k in chance.classes_.tolist()])
    scores, place = torch.from_numpy(chance.predict_proba(x)).float()[:, has_ends].max(1)
    labels = torch.from_numpy(chance.classes_)[has_ends][place]
    best = scores.argsort(descending=True, stable=True)[:TRIED]
    best = best[scores[best] > LEAST]
    scores, labels, points = scores[best], labels[best], grid.points[best]
    offsets = torch.zeros(len(best), 4)
    for k, end in ends.items():
        of_class = labels == k
        if of_class.any():
            offsets[of_class] = torch.from_numpy(end.predict(x[best[of_class].numpy()])).float()
    far = torch.tensor(grid.size[::-1]).float()
    middle, half = points + offsets[:, :2] * grid.step, offsets[:, 2:].exp() * grid.step / 2
    boxes = torch.cat([middle - half, middle + half], 1).clamp(min=0).minimum(far.repeat(2))
    valid = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)  # not one that lies beside the image
    boxes, scores, labels = boxes[valid], scores[valid], labels[valid]
    keep = batched_nms(boxes, scores, labels, OVERLAP)[:KEPT]
    overlap = box_iou(boxes[keep], boxes) * (labels[keep][:, None] == labels)
    weight = torch.where(overlap >= OVERLAP, overlap * scores, 0)
    boxes = weight @ boxes / weight.sum(1, keepdim=True)
    return Instances(torch.tensor([len(keep)]), torch.tensor([grid.size]), boxes, labels[keep], scores[keep])
