"""Check of instance masks: empty, outside the image, overlapping, or disconnected masks."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.bitmaps import Map
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.scan import Scan
from sightline.ops.masks import shared

DUPLICATE_IOU = 0.8  # intersection over union of two masks of one object
COVERED = 0.5  # share of the smaller of two masks that both have
PART = 0.1  # share of an object's pixels that makes a part count
BOX = 2.0  # pixels
CARD = CheckCard(
    name="instance-masks",
    summary="Instance masks that are empty, outside the image, duplicated, overlapping, or disconnected",
    findings=(
        "instance-masks-empty",
        "instance-masks-outside",
        "instance-masks-duplicated",
        "instance-masks-overlapping",
        "instance-masks-disconnected",
        "instance-masks-box-mismatch",
    ),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Masks one by one, and in pairs within an image. Nothing where the target is no masks of objects."""
    del scan
    targets = dataset.targets
    if not isinstance(targets, InstanceMasks) or not len(targets.labels):
        return []
    masks, image = targets.bitmaps, targets.image.numpy()
    around, areas = masks.boxes().numpy(), masks.areas().numpy()
    height, width = targets.sizes.numpy()[image].T
    empty = areas == 0
    outside = ~empty & ((around[:, :2] < 0).any(1) | (around[:, 2] > width) | (around[:, 3] > height))
    apart = np.array([_in_parts(crop) for _, _, crop in masks], dtype=bool)
    off = ~empty & (np.abs(around - targets.boxes.numpy()) > BOX).any(1)
    again, over = _pairs(targets)
    return [
        *_on(dataset, empty, "instance-masks-empty", "warning",
             "{n} objects have a mask without a pixel", "Draw them anew, or take them out."),
        *_on(dataset, outside, "instance-masks-outside", "error",
             "{n} objects have a mask that reaches beyond the image",
             "Use the images that were annotated, or cut the masks at the edge."),
        *_on(dataset, again, "instance-masks-duplicated", "warning",
             f"{{n}} objects repeat one of the same class in the same image (IoU above {DUPLICATE_IOU:g})",
             "Keep one of each: a model is punished for finding the object once."),
        *_on(dataset, over & ~again, "instance-masks-overlapping", "info",
             f"{{n}} objects share more than {100 * COVERED:g} % of the smaller mask with another one",
             "Nothing, if one lies in or before the other; else look whether they are one object."),
        *_on(dataset, apart, "instance-masks-disconnected", "info",
             "{n} objects are in parts that lie further from each other than they are large",
             "Nothing, if something covers their middle; else look whether they are several objects."),
        *_on(dataset, off, "instance-masks-box-mismatch", "info",
             f"{{n}} objects have a box that is more than {BOX:g} pixels off their mask",
             "Look whether boxes and masks belong together; models learn from both."),
    ]  # fmt: skip


def _in_parts(crop: Map) -> bool:
    """Whether a mask has two large parts with a gap between them that is larger than each of them."""
    parts, count = ndimage.label(crop, structure=np.ones((3, 3))) if crop.size else (crop, 0)
    if count < 2:
        return False
    sizes = np.bincount(parts.ravel())[1:]
    large = np.flatnonzero(sizes >= PART * sizes.sum())
    boxes = ndimage.find_objects(parts)
    ends = np.array([[(s.start, s.stop) for s in boxes[k]] for k in large], dtype=np.int64).reshape(-1, 2, 2)
    side = (ends[:, :, 1] - ends[:, :, 0]).max(1)
    gaps = np.maximum(ends[:, None, :, 0] - ends[None, :, :, 1], ends[None, :, :, 0] - ends[:, None, :, 1])
    far = gaps.max(2) > np.maximum(side[:, None], side[None, :])
    return bool(far.any())


def _pairs(targets: InstanceMasks) -> tuple[np.ndarray, np.ndarray]:
    """(M,) bool each: objects that repeat an earlier one, and those that share much with another one."""
    again, over = np.zeros(len(targets.labels), dtype=bool), np.zeros(len(targets.labels), dtype=bool)
    masks, labels = targets.bitmaps, targets.labels.numpy()
    crowd = np.zeros(len(labels), dtype=bool) if targets.crowd is None else targets.crowd.numpy()
    boxes, starts = masks.boxes().numpy(), np.cumsum([0, *targets.counts.tolist()])
    for first, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        some = boxes[first:end]
        near = np.maximum(some[:, None, :2], some[None, :, :2]) < np.minimum(
            some[:, None, 2:], some[None, :, 2:]
        )
        of, other = np.nonzero(np.triu(near.all(2), 1))
        of, other = of + first, other + first
        separate = ~crowd[of] & ~crowd[other]  # a crowd lies on what is in it
        of, other = of[separate], other[separate]
        if not len(of):
            continue
        both, a, b = shared(masks, masks, of, other)
        same = (both > DUPLICATE_IOU * (a + b - both)) & (labels[of] == labels[other])
        again[other[same]] = True
        much = (both > COVERED * np.minimum(a, b)) & ~same
        over[np.concatenate([of[much], other[much]])] = True
    return again, over


def _on(
    dataset: Dataset, where: np.ndarray, name: str, severity: Severity, message: str, fix: str
) -> list[Finding]:
    """One finding on the objects that a mask names; items say image, class and box."""
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    targets, names = (
        dataset.targets_as(InstanceMasks),
        () if dataset.classes is None else dataset.classes.names,
    )
    triples = zip(targets.image[rows].tolist(), targets.labels[rows].tolist(),
                  targets.bitmaps.boxes()[rows].tolist(), strict=True)  # fmt: skip
    items = tuple(
        f"{dataset.ids[i]}: {names[k] if 0 <= k < len(names) else k} {' '.join(f'{v:g}' for v in box)}"
        for i, k, box in triples
    )
    return [Finding(name, severity, message.format(n=f"{len(rows):,}"), fix, len(rows), items)]
