"""Baselines: the most frequent object of each class, a watershed, and linear models on frozen maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torchvision.ops import box_iou

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import Baseline
from sightline.models.weights import embedded
from sightline.tasks.instance._crops import cells, pasted
from sightline.tasks.instance._outlined import outliner
from sightline.tasks.instance._watershed import Labels, WatershedParams, chosen, hills, ious, objects

Images = NDArray[np.uint8]
CANDIDATES, LEARNT, KEPT = 400, 20, 1000
"""Objects tried as the commonest of a class; images that parameters are chosen on; objects an image."""
SIDE = 384
"""Largest side in pixels of the images that the watershed looks at."""


def baselines(classes: int) -> list[Baseline]:
    """The baselines of instance segmentation.

    Args:
        classes: Number of classes K.
    """
    return [
        Baseline("shape", "the most frequent box of each class with its mean mask, in every image",
                 lambda images, target: _commonest(target, classes), uses_images=False, side=128),
        Baseline("watershed", "a threshold of brightness (Otsu), parted at necks by a watershed",
                 _watershed, side=SIDE),
        Baseline("frozen", f"linear models for cells, boxes and pixels on frozen maps of {embedded.DEFAULT}",
                 lambda maps, target: outliner(maps, target, classes), frozen=True, maps=True, side=320),
    ]  # fmt: skip


def _counted(target: InstanceMasks) -> InstanceMasks:
    """The objects without crowds and without empty masks."""
    keep = target.bitmaps.areas() > 0
    keep &= (target.boxes[:, 2:] > target.boxes[:, :2]).all(1)
    counted = target.select(keep if target.crowd is None else keep & ~target.crowd)
    assert isinstance(counted, InstanceMasks)
    return counted


def _commonest(target: InstanceMasks, classes: int) -> Callable[[Any], InstanceMasks]:
    """For each class, the box that matches objects of that class, at IoU 0.5, in most images, and its mean
    mask.
    """
    size = target.sizes[0] if len(target) else torch.tensor([1, 1])
    objects = _counted(target)
    boxes, grids, labels, scores = [torch.zeros(0, 4)], [torch.zeros(0, 28, 28)], [], []
    for k in range(classes):
        of_class = objects.select(objects.labels == k)
        if not len(of_class.boxes):
            continue
        some = torch.arange(0, len(of_class.boxes), max(1, len(of_class.boxes) // CANDIDATES))
        tried = of_class.boxes[some]
        hits = torch.zeros(len(tried), len(target), dtype=torch.bool)
        where = (box_iou(tried, of_class.boxes) >= 0.5).nonzero()
        hits[where[:, 0], of_class.image[where[:, 1]]] = True
        share = hits.float().mean(1)
        best = int(share.argmax())
        assert of_class.masks is not None
        mean = cells(of_class.masks[some], tried).mean(0)
        # Masks that lie elsewhere in each box have no pixel in common: then the box itself.
        grids.append((mean if bool((mean >= 0.5).any()) else torch.ones_like(mean))[None])
        boxes.append(tried[best][None])
        labels.append(k)
        scores.append(float(share[best]))
    order = torch.tensor(scores).argsort(descending=True)
    masks = pasted(torch.cat(grids)[order], torch.cat(boxes)[order], size.tolist())
    kinds, sure = torch.tensor(labels, dtype=torch.int64)[order], torch.tensor(scores)[order]
    return lambda images: _same_for_all(len(images), size, masks, kinds, sure)


def _same_for_all(n: int, size: Tensor, masks: CroppedMasks, labels: Tensor, scores: Tensor) -> InstanceMasks:
    """The same objects in each of n images."""
    rows = torch.arange(len(labels)).repeat(n)
    counts = torch.full((n,), len(labels))
    return InstanceMasks.of(size.repeat(n, 1), counts, masks[rows], labels[rows], scores[rows])


def _watershed(images: Images, target: InstanceMasks) -> Callable[[Images], InstanceMasks]:
    """Watershed with fitted parameters; all objects get the most frequent class."""
    counted = _counted(target)
    some = np.random.default_rng(0).permutation(len(images))[:LEARNT].tolist()
    maps = [_numbered(counted[i]) for i in some]
    way = chosen([images[i] for i in some], maps)
    votes = torch.zeros(max(1, int(counted.labels.max()) + 1 if len(counted.labels) else 1))
    for i, true in zip(some, maps, strict=True):
        touched = torch.from_numpy((ious(objects(hills(images[i], way), way), true) > 0).any(0))
        votes += torch.bincount(counted[i].labels[: len(touched)][touched], minlength=len(votes))
    label = int(votes.argmax())
    return lambda new: InstanceMasks.cat([_objects_of(image, way, label) for image in new])  # type: ignore[return-value]


def _numbered(target: InstanceMasks) -> Labels:
    """(H, W) label map of one image: number of the object of each pixel, from 1."""
    height, width = target.sizes[0].tolist()
    numbered = np.zeros((height, width), dtype=np.int32)
    for number, (x, y, crop) in enumerate(target.bitmaps, 1):
        part = numbered[y : y + crop.shape[0], x : x + crop.shape[1]]
        part[crop[: part.shape[0], : part.shape[1]] > 0] = number
    return numbered


def _objects_of(image: Images, way: WatershedParams, label: int) -> InstanceMasks:
    """Objects of one image; the score is the distance from the threshold."""
    basins = hills(image, way)
    numbers = objects(basins, way)
    count = int(numbers.max())
    clear = ndimage.mean(basins.height, numbers, np.arange(1, count + 1)) if count else np.zeros(0)
    scores = torch.from_numpy(0.5 + np.clip(clear, 0, 1) / 2).float().reshape(-1)
    order = scores.argsort(descending=True, stable=True)[:KEPT]
    masks, corners = [], []
    for number, place in enumerate(ndimage.find_objects(numbers), 1):
        masks.append(numbers[place] == number)
        corners.append([place[1].start, place[0].start])
    cut = CroppedMasks(torch.tensor(corners, dtype=torch.int64).reshape(-1, 2), CroppedMasks.of(masks).crops)[
        order
    ]
    sizes = torch.tensor([image.shape[:2]])
    return InstanceMasks.of(
        sizes, torch.tensor([len(order)]), cut, torch.full((len(order),), label), scores[order]
    )
