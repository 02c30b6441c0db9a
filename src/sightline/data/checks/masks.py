"""Check of class maps: maps that do not fit their images, or that have little or no content."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.data.checks._report import finding_on, silent_parts
from sightline.data.scan import Scan

FEW_PIXELS_SHARE = 1e-3  # share of the pixels with a class
MOSTLY = 0.5  # share of a map
ALIKE = 0.9  # share of the maps
CARD = CheckCard(
    name="masks",
    summary="Class maps of another size than the image, without a class, of one class, with rare classes",
    findings=(
        "mask-size-transposed",
        "mask-sizes-differ",
        "mask-classes-unknown",
        "no-masks-to-train",
        "masks-all-ignored",
        "masks-mostly-ignored",
        "ignored-share",
        "single-class-images",
        "masks-single-class",
        "class-few-pixels",
    ),
)
NEEDED = ("no-masks-to-train",)
"""Findings that accepting does not get past: without another split there is nothing to train on."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Maps one by one, and the classes over all that are trained on. Nothing where the target is no maps."""
    if dataset.target_type != "masks" or dataset.classes is None or not len(dataset):
        return []
    counts = dataset.targets_as(SemanticMasks).value_counts
    return [*_sizes(dataset, scan), *_void(dataset, counts), *_classes(dataset, counts)]


def _sizes(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Maps of another size than their images."""
    declared = dataset.targets.sizes.numpy()
    actual = np.stack([scan.height, scan.width], 1).astype(np.int64)
    differ = scan.readable & (declared != actual).any(1)
    swapped = differ & (declared == actual[:, ::-1]).all(1)
    rest = np.flatnonzero(differ & ~swapped)
    example = ""
    if len(rest):
        (h, w), (height, width) = declared[rest[0]].tolist(), actual[rest[0]].tolist()
        example = f" (first: mask {w} x {h}, image {width} x {height})"
    return [
        *finding_on(dataset, "mask-size-transposed", "error", swapped,
               "{n} images are as high as their masks are wide: they were turned, or their EXIF rotation "
               "was left out when masks were drawn",
               "Where masks were drawn without the EXIF rotation: --exif ignore. Else turn the masks."),
        *finding_on(dataset, "mask-sizes-differ", "error", rest,
               "{n} images have another size than their masks" + example,
               "Use the masks that were drawn for these images, or scale them without mixing (nearest)."),
    ]  # fmt: skip


def _void(dataset: Dataset, counts: np.ndarray) -> list[Finding]:
    """Pixels without a class."""
    whole = counts.sum(1)
    share = counts[:, IGNORE_INDEX] / np.maximum(whole, 1)
    bare = share == 1
    parts = silent_parts(dataset)
    none = np.isin(np.where(dataset.splits == "", "train", dataset.splits), parts)
    total = counts[:, IGNORE_INDEX].sum() / max(whole.sum(), 1)
    return [
        *finding_on(dataset, "no-masks-to-train", "error", none,
               f"none of the {{n}} images of {' and '.join(parts)} has a pixel with a class; train learns "
               "from them, by those of val weights are chosen",
               "Look whether the ids in the masks are those of the class table."),
        *finding_on(dataset, "masks-all-ignored", "warning", bare & ~none,
               "{n} images ({share}) have no pixel with a class; nothing is learnt or told from them",
               "Draw their masks, or take them out."),
        *finding_on(dataset, "masks-mostly-ignored", "info", (share > MOSTLY) & ~bare,
               f"{{n}} images ({{share}}) have no class on more than {100 * MOSTLY:g} % of their pixels",
               "Nothing, if that is meant; else draw the rest."),
        *finding_on(dataset, "ignored-share", "info", (share > 0) & ~bare,
               f"{{n}} images ({{share}}) have pixels without a class, {100 * total:.1f} % of all pixels; "
               "they are neither trained on nor scored",
               "Nothing, if that is meant."),
    ]  # fmt: skip


def _classes(dataset: Dataset, counts: np.ndarray) -> list[Finding]:
    """Values beyond the table, maps of one class, and classes with few pixels to train on."""
    assert dataset.classes is not None
    classes = len(dataset.classes)
    strange = np.asarray(counts[:, classes:IGNORE_INDEX].any(1))
    known_counts = counts[:, :classes]
    uniform = np.asarray((known_counts > 0).sum(1) == 1)
    train = (dataset.splits == "train") | (dataset.splits == "")
    total = known_counts[train].sum(0)
    single = np.asarray(train & bool((total > 0).sum() == 1 and classes > 1))
    severity: Severity = "warning" if uniform.mean() > ALIKE and not single.any() else "info"
    return [
        *finding_on(dataset, "mask-classes-unknown", "error", strange,
               f"{{n}} masks hold a class beyond the {classes} classes of the table",
               "Add the classes to the class table, or mend the masks."),
        *finding_on(dataset, "masks-single-class", "error", single,
               "the masks of all {n} images to train with are of one class; there is nothing to tell apart",
               "Look whether the right files were taken for masks, and whether their ids are in the table."),
        *finding_on(dataset, "single-class-images", severity, uniform & ~single,
               "{n} images ({share}) have one class on all their pixels",
               "Nothing, if they show that only; where most do, labels of whole images would say as much."),
        *_rare(dataset.classes.names, total),
    ]  # fmt: skip


def _rare(names: tuple[str, ...], total: np.ndarray) -> list[Finding]:
    """Classes that are there, with very few of the pixels to train on."""
    share = total / max(int(total.sum()), 1)
    rare = np.flatnonzero((total > 0) & (share < FEW_PIXELS_SHARE))
    if not len(rare):
        return []
    shown = ", ".join(f"'{names[k]}' ({100 * share[k]:.2g} %)" for k in rare[:8])
    more = f" and {len(rare) - 8} more" if len(rare) > 8 else ""
    return [
        Finding(
            "class-few-pixels",
            "warning",
            f"{len(rare)} classes have fewer than {100 * FEW_PIXELS_SHARE:g} % of the pixels to train "
            f"with: {shown}{more}",
            "Read the IoU of each class beside the mean; class weights or more images may help.",
            len(rare),
            tuple(names[k] for k in rare),
        )
    ]
