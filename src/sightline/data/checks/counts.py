"""Check of class counts: the number of images of each class."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.number import RegressionValues
from sightline.data.checks._report import class_counts
from sightline.data.scan import Scan

MIN_IMAGES = 3  # images of a class: one each to train, choose and test by
FEW_IMAGES = 20
RATIO = 10.0
CARD = CheckCard(
    name="counts",
    summary="One class only, empty classes, too few images of a class, imbalance, one value only",
    findings=(
        "single-class",
        "class-without-images",
        "class-too-few-images",
        "class-few-images",
        "imbalance",
        "constant-target",
    ),
    closed_set=("class-too-few-images", "class-few-images", "imbalance"),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Counts over the readable images that are not in val or test."""
    if dataset.target_type == "number":
        return _one_value(dataset)
    if dataset.classes is None or not len(dataset):
        return []
    train = scan.readable & ((dataset.splits == "train") | (dataset.splits == ""))
    return _counts(dataset, class_counts(dataset, scan.readable), class_counts(dataset, train))


def _counts(dataset: Dataset, everywhere: np.ndarray, train: np.ndarray) -> list[Finding]:
    assert dataset.classes is not None
    findings = []
    names = np.array(dataset.classes.names, dtype=object)
    split = bool((dataset.splits != "").any())
    present = everywhere > 0
    # A detector has something to find with one class, and where a class of the table is rare or not there.
    single_label, whole = dataset.targets.exclusive, not dataset.targets.located
    severity: Severity = "error" if whole else "warning"
    if present.sum() == 1 and single_label:
        findings.append(_on(names[present], "single-class", "error",
            "all images are of one class: {shown}; there is nothing to tell apart",
            "Add images of another class."))  # fmt: skip
    findings.append(_on(names[~present], "class-without-images", severity,
        "{n} of the classes have no image that can be used: {shown}",
        "Put images there, or remove the classes."))  # fmt: skip
    least = 2 if split else MIN_IMAGES
    counts = {str(n): int(c) for n, c in zip(names, train, strict=True)}
    small = present & (train < least) & ((train > 0) | (not split))
    findings.append(_on(names[small], "class-too-few-images", severity,
        f"{{n}} of the classes have fewer than {least} images to train"
        + ("" if split else ", choose and test") + " with: {shown}",
        "Add images, merge the class with another, or take it out.", counts))  # fmt: skip
    few = present & ~small & (train < FEW_IMAGES) & (train > 0)
    findings.append(_on(names[few], "class-few-images", "warning",
        f"{{n}} of the classes have fewer than {FEW_IMAGES} images: {{shown}}",
        "Add images; until then read what the report says of these classes with care.",
        counts))  # fmt: skip
    return [f for f in findings if f is not None] + _imbalance(names, train, whole)


def _on(
    names: np.ndarray,
    name: str,
    severity: Severity,
    message: str,
    fix: str,
    counts: dict[str, int] | None = None,
) -> Finding | None:
    """A finding on some classes; None where there are none."""
    if not len(names):
        return None
    some = [f"'{n}' ({counts[n]})" if counts else f"'{n}'" for n in names[:8]]
    shown = ", ".join(some) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    text = message.replace("{n}", f"{len(names)}").replace("{shown}", shown)
    return Finding(name, severity, text, fix, len(names), tuple(names))


def _imbalance(names: np.ndarray, train: np.ndarray, whole: bool) -> list[Finding]:
    present = np.flatnonzero(train > 0)
    if len(present) < 2 or train.max() < RATIO * train[present].min():
        return []
    most, least = int(train.argmax()), int(present[train[present].argmin()])
    fix = (
        "Read balanced accuracy, not accuracy; class weights or balanced sampling may help."
        if whole
        else "Read the score of each class beside the mean; balanced sampling may help."
    )
    rare = names[(train > 0) & (train * RATIO <= train.max())]
    return [
        Finding(
            "imbalance",
            "warning",
            f"'{names[most]}' has {train[most]:,} images, '{names[least]}' {train[least]:,}: "
            f"{train[most] / train[least]:.0f} times as many",
            fix,
            len(rare),
            tuple(rare),
        )
    ]


def _one_value(dataset: Dataset) -> list[Finding]:
    value = dataset.targets_as(RegressionValues).value.numpy()
    same = [m for m in range(value.shape[1]) if len(np.unique(value[:, m][np.isfinite(value[:, m])])) == 1]
    if not same:
        return []
    names = tuple(dataset.outputs[m] if m < len(dataset.outputs) else f"number {m}" for m in same)
    return [
        Finding(
            "constant-target",
            "error",
            f"all images have the same value of {', '.join(names)}; there is nothing to learn",
            "Check the column that holds the target.",
            len(names),
            names,
        )
    ]
