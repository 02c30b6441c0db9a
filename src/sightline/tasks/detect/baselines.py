"""Baselines: the most frequent box of each class, linear models on sliding windows and on frozen maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from sightline.classical import linear
from sightline.classical.cells import finder
from sightline.classical.sliding_windows import cell_sums, slide, window_features
from sightline.core.targets.instances import Instances
from sightline.core.task import Baseline
from sightline.models.weights import embedded

Images = NDArray[np.uint8]
State = Mapping[str, Tensor]
SHAPES, CANDIDATES, EXAMPLES, KEPT = 4, 400, 20_000, 100
"""Window shapes a class; boxes tried as the commonest; windows learnt from; boxes kept an image."""


def baselines(classes: int) -> list[Baseline]:
    """The baselines of detection.

    Args:
        classes: Number of classes K.
    """
    return [
        Baseline("box", "the most frequent box of each class, in every image",
                 lambda images, target: _commonest(target, classes), uses_images=False, answer=_same_for_all),
        Baseline("windows", "sliding windows; logistic regression on their colours and edges (HOG-like)",
                 lambda images, target: _windows(images, target, classes), side=192,
                 answer=lambda state, images: _in_windows(state, images, classes)),
        Baseline("frozen", f"logistic, ridge regression for each cell on frozen maps of {embedded.DEFAULT}",
                 lambda maps, target: finder(maps, target, classes), frozen=True, maps=True, side=320),
    ]  # fmt: skip


def _commonest(target: Instances, classes: int) -> State:
    """For each class, the box that matches objects of that class, at IoU 0.5, in most images."""
    size = target.sizes[0] if len(target) else torch.tensor([1, 1])
    boxes, labels, scores = [], [], []
    for k in range(classes):
        of_class = target.select((target.labels == k) & ~_crowd(target))
        if not len(of_class.boxes):
            continue
        tried = of_class.boxes[:: max(1, len(of_class.boxes) // CANDIDATES)]
        hits = torch.zeros(len(tried), len(target), dtype=torch.bool)
        where = (box_iou(tried, of_class.boxes) >= 0.5).nonzero()
        hits[where[:, 0], of_class.image[where[:, 1]]] = True
        share = hits.float().mean(1)
        best = int(share.argmax())
        boxes.append(tried[best])
        labels.append(k)
        scores.append(float(share[best]))
    order = torch.tensor(scores).argsort(descending=True)
    return {
        "size": size,
        "boxes": torch.stack(boxes)[order] if boxes else torch.zeros(0, 4),
        "labels": torch.tensor(labels, dtype=torch.int64)[order],
        "scores": torch.tensor(scores)[order],
    }


def _same_for_all(state: State, images: Any) -> Instances:
    """The same boxes in each image."""
    n, boxes = len(images), state["boxes"]
    return Instances(
        torch.full((n,), len(boxes)), state["size"].repeat(n, 1), boxes.repeat(n, 1),
        state["labels"].repeat(n), state["scores"].repeat(n),
    )  # fmt: skip


def _crowd(target: Instances) -> Tensor:
    return torch.zeros(len(target.labels), dtype=torch.bool) if target.crowd is None else target.crowd


def _windows(images: Images, target: Instances, classes: int) -> State:
    """Linear classifier of window features: each class and background."""
    target = target.select(~_crowd(target) & (target.area() > 0))
    if not len(target.boxes):
        return _commonest(target, classes)
    size = images.shape[1:3]
    windows = slide(size, _shapes(target, classes))
    x, y = _examples(images, target, windows, classes)
    scaler, machine = StandardScaler(), LogisticRegression(C=0.1, max_iter=200)
    machine.fit(scaler.fit_transform(x), y)
    trained = torch.from_numpy(machine.classes_)
    return {**linear.scaled_state(scaler, machine), "classes": trained, "windows": torch.from_numpy(windows)}


def _in_windows(state: State, images: Images, classes: int) -> Instances:
    if "windows" not in state:
        return _same_for_all(state, images)
    return Instances.cat([_detect(image, state, classes) for image in images])


def _shapes(target: Instances, classes: int) -> NDArray[np.float32]:
    """(S, 2) widths and heights of windows: for each class, box shapes at evenly spaced quantiles of area."""
    sides_by_class = []
    for k in range(classes):
        sides = (target.boxes[:, 2:] - target.boxes[:, :2])[target.labels == k]
        if len(sides):
            order = sides.prod(1).argsort()
            at = (torch.linspace(0.1, 0.9, SHAPES) * (len(sides) - 1)).round().long()
            sides_by_class.append(sides[order[at]].numpy())
    return np.concatenate(sides_by_class).astype(np.float32)


def _examples(
    images: Images, target: Instances, windows: NDArray[np.float32], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Training samples: features and class of target boxes, of windows that fit one, and of background."""
    rng, each = np.random.default_rng(0), max(20, EXAMPLES // len(images))
    features, labels = [], []
    for i, image in enumerate(images):
        sums, objects = cell_sums(image[None])[0], target[i]
        tried = windows[rng.permutation(len(windows))[:each]]
        nothing = torch.zeros(len(tried), 1)  # so that there is a largest overlap without a box too
        best, which = torch.cat([box_iou(torch.from_numpy(tried), objects.boxes), nothing], 1).max(1)
        window_labels = torch.cat([objects.labels, torch.tensor([classes])])[which].numpy()
        window_labels[best.numpy() < 0.6] = classes
        sure = ((best < 0.35) | (best >= 0.6)).numpy()
        features += [window_features(sums, tried[sure]), window_features(sums, objects.boxes.numpy())]
        labels += [window_labels[sure], objects.labels.numpy()]
    return np.concatenate(features), np.concatenate(labels)


def _detect(image: Images, state: State, classes: int) -> Instances:
    """Detections of one image: the best windows after NMS."""
    boxes, trained = state["windows"], state["classes"]
    features = window_features(cell_sums(image[None])[0], boxes.numpy())
    chance = torch.from_numpy(linear.probabilities(state, features, trained.numpy()))
    real = trained < classes
    scores, place = chance[:, real].max(1)
    labels = trained[real][place]
    likely = scores > 0.05
    scores, labels, boxes = scores[likely].float(), labels[likely], boxes[likely]
    keep = batched_nms(boxes, scores, labels, 0.4)[:KEPT]
    sizes = torch.tensor([image.shape[:2]])
    return Instances(torch.tensor([len(keep)]), sizes, boxes[keep], labels[keep], scores[keep])
