"""Check of boxes: impossible boxes, and boxes that are hard for a detector."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.instances import Instances
from sightline.data.checks._report import finding_on, silent_parts
from sightline.data.scan import Scan
from sightline.ops.objects import JUDGED, crowded

SLACK = 1.0  # pixels that a box may reach beyond the image: annotations are rounded
DUPLICATE_IOU = 0.99  # intersection over union of two boxes of one object
TINY = 8.0  # pixels of the shorter side ...
TRAINED = 320  # ... once the image's longer side is brought to this
LONG = 20.0  # longer side over shorter
MANY_BOXES = 500  # boxes in an image
REACHED = 0.95  # best average precision below which its limit is more than a remark
SHARES = 16  # pixels of an image that is too large for boxes within the first pixel
CARD = CheckCard(
    name="boxes",
    summary="Boxes outside the image, without size, repeated, tiny or long; images without or with many",
    findings=(
        "boxes-not-finite",
        "boxes-inverted-corners",
        "degenerate-boxes",
        "boxes-in-relative-coordinates",
        "boxes-outside",
        "boxes-partly-outside",
        "duplicate-boxes",
        "tiny-boxes",
        "boxes-extreme-aspect",
        "many-boxes",
        "boxes-beyond-score",
        "box-size-transposed",
        "box-sizes-differ",
        "no-boxes-to-train",
        "images-without-boxes",
    ),
)
NEEDED = ("no-boxes-to-train",)
"""Findings that accepting does not get past: without another split there is nothing to train on."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Boxes one by one, and how many an image has. Nothing where the target is no boxes."""
    if not isinstance(dataset.targets, Instances) or not len(dataset):
        return []
    return [*_sizes(dataset, scan), *_shapes(dataset), *_counts(dataset)]


def _sizes(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Images whose size is not the one their boxes were drawn for."""
    declared = dataset.targets.sizes.numpy()
    actual = np.stack([scan.height, scan.width], 1).astype(np.int64)
    differ = scan.readable & (declared != actual).any(1)
    swapped = differ & (declared == actual[:, ::-1]).all(1)
    return [
        *finding_on(dataset, "box-size-transposed", "error", swapped,
               "{n} images are as high as their annotation says they are wide: they were turned, or their "
               "EXIF rotation was left out when boxes were drawn",
               "Where boxes were drawn without the EXIF rotation: --exif ignore. Else turn the boxes."),
        *finding_on(dataset, "box-sizes-differ", "error", differ & ~swapped,
               "{n} images have another size than their annotation says; boxes are not scaled by guess",
               "Use the images that were annotated, or scale the boxes along with them."),
    ]  # fmt: skip


def _shapes(dataset: Dataset) -> list[Finding]:
    """Boxes that lie or look wrong."""
    targets = dataset.targets_as(Instances)
    boxes, image = targets.boxes.numpy().astype(np.float64), targets.image.numpy()
    height, width = targets.sizes.numpy()[image].T
    x1, y1, x2, y2 = boxes.T
    w, h = x2 - x1, y2 - y1
    finite = np.asarray(np.isfinite(boxes).all(1))
    swapped, flat = finite & ((w < 0) | (h < 0)), finite & ((w == 0) | (h == 0))
    shares = finite & (np.abs(boxes) <= 1).all(1) & (np.minimum(height, width) > SHARES)
    sound = finite & ~swapped & ~flat & ~shares & (height > 0)
    out = sound & ((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height))
    over = sound & ~out & ((np.minimum(x1, y1) < -SLACK) | (x2 > width + SLACK) | (y2 > height + SLACK))
    with np.errstate(divide="ignore", invalid="ignore"):
        tiny = sound & (np.minimum(w, h) * TRAINED / np.maximum(height, width) < TINY)
        long = sound & (np.maximum(w, h) > LONG * np.minimum(w, h))
    severity: Severity = "warning" if tiny.sum() > 0.1 * len(boxes) else "info"
    return [
        *_on(dataset, finite < 1, "boxes-not-finite", "error",
             "{n} boxes hold NaN or infinite", "Write numbers there, or take the boxes out."),
        *_on(dataset, swapped, "boxes-inverted-corners", "error",
             "{n} boxes have a negative width or height (swapped corners)",
             "Write the smaller x and y first."),
        *_on(dataset, flat & ~swapped, "degenerate-boxes", "warning",
             "{n} boxes have a width or height of zero", "Take them out, or draw them anew."),
        *_on(dataset, shares & ~flat & ~swapped, "boxes-in-relative-coordinates", "error",
             "{n} boxes lie within the first pixel: they seem to be shares of the image, not pixels",
             "Multiply them by the image's width and height."),
        *_on(dataset, out, "boxes-outside", "error",
             "{n} boxes lie wholly outside their image",
             "Look whether x and y, or the images, were mixed up; or take them out."),
        *_on(dataset, over, "boxes-partly-outside", "warning",
             f"{{n}} boxes reach more than {SLACK:g} pixel beyond their image; they are cut at its edge",
             "Nothing, if the objects are cut by the edge; else draw them anew."),
        *_on(dataset, _repeated(dataset, sound), "duplicate-boxes", "warning",
             f"{{n}} boxes repeat one of the same class in the same image (IoU above {DUPLICATE_IOU:g})",
             "Keep one of each: a detector is punished for finding the object once."),
        *_on(dataset, tiny, "tiny-boxes", severity,
             f"{{n}} boxes ({{share}}) have a side below {TINY:g} pixels once the image's longer side is "
             f"{TRAINED}", "Train at a larger --size, or cut the images into tiles."),
        *_on(dataset, long, "boxes-extreme-aspect", "warning",
             f"{{n}} boxes are more than {LONG:g} times as long as wide",
             "Look whether they are slips; detectors find such shapes hard."),
    ]  # fmt: skip


def _on(
    dataset: Dataset, where: np.ndarray, name: str, severity: Severity, message: str, fix: str
) -> list[Finding]:
    """One finding on the boxes that a mask names; items say image, class and corners."""
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    targets, names = dataset.targets_as(Instances), () if dataset.classes is None else dataset.classes.names
    images = targets.image[rows].tolist()
    labels, boxes = targets.labels[rows].tolist(), targets.boxes[rows].tolist()
    items = tuple(
        f"{dataset.ids[i]}: {names[k] if 0 <= k < len(names) else k} {' '.join(f'{v:g}' for v in box)}"
        for i, k, box in zip(images, labels, boxes, strict=True)
    )
    text = message.format(n=f"{len(rows):,}", share=f"{len(rows) / len(where):.1%}")
    return [Finding(name, severity, text, fix, len(rows), items)]


def _repeated(dataset: Dataset, sound: np.ndarray) -> np.ndarray:
    """(M,) bool: boxes that are nearly the same as an earlier one of the same image and class."""
    targets, again = dataset.targets_as(Instances), np.zeros(len(sound), dtype=bool)
    rows = np.flatnonzero(sound)
    boxes = targets.boxes.numpy()[rows].astype(np.float64)
    group = np.stack([targets.image.numpy()[rows], targets.labels.numpy()[rows]])
    order = np.lexsort((boxes[:, 0], *group[::-1]))
    boxes, group, rows = boxes[order], group[:, order], rows[order]
    # Sorted by x1 in each group: of two boxes with an IoU above SAME the left one lies less than (1 - SAME)
    # of its width to the left, so that only near neighbours need to be compared.
    left = np.arange(len(rows))
    step = 0
    while len(left):
        step += 1
        left = left[left + step < len(rows)]
        right = left + step
        reach = (1 - DUPLICATE_IOU) * (boxes[left, 2] - boxes[left, 0])
        near = (group[:, left] == group[:, right]).all(0) & (boxes[right, 0] - boxes[left, 0] <= reach)
        left, right = left[near], right[near]
        same = _iou(boxes[left], boxes[right]) > DUPLICATE_IOU
        again[np.maximum(rows[left[same]], rows[right[same]])] = True
    return again


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) intersection over union of boxes (n, 4), pair by pair."""
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    common = sides.clip(min=0).prod(1)
    return np.asarray(common / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - common))


def _counts(dataset: Dataset) -> list[Finding]:
    """How many boxes images have."""
    counts = dataset.targets_as(Instances).counts.numpy()
    parts = silent_parts(dataset)
    bare = np.isin(np.where(dataset.splits == "", "train", dataset.splits), parts)
    most = int(counts.max())
    dense, best = crowded(dataset.targets_as(Instances))
    return [
        *finding_on(
            dataset,
            "no-boxes-to-train",
            "error",
            bare,
            f"none of the {{n}} images of {' and '.join(parts)} has a box that counts (crowds and "
            "difficult objects do not); train learns from boxes, by those of val weights are chosen",
            "Look whether the annotations were found and belong to these images.",
        ),
        *finding_on(
            dataset,
            "images-without-boxes",
            "info",
            counts == 0,
            "{n} images ({share}) have no box; they teach what is no object",
            "Nothing, if they show none of the classes; else annotate them.",
        ),
        *finding_on(
            dataset,
            "boxes-beyond-score",
            "warning" if best < REACHED else "info",
            dense,
            f"{{n}} images have more than {JUDGED} objects of one class, and average precision judges "
            f"{JUDGED} of them: over all images mAP cannot exceed {best:.3f}, whatever a model says",
            "Cut the images into tiles (--tile-size), or read the score as a share of that number.",
        ),
        *finding_on(
            dataset,
            "many-boxes",
            "info",
            counts > MANY_BOXES,
            f"{{n}} images have more than {MANY_BOXES} boxes, up to {most:,}; detectors give a limited "
            "number",
            "Cut these images into tiles, or let the model give more.",
        ),
    ]
