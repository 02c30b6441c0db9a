"""Check of given splits: what they lack."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import class_counts, finding_on, present
from sightline.data.scan import Scan

CARD = CheckCard(
    name="splits",
    summary="Classes missing in training or testing, no training part, items without a split",
    findings=("class-missing-in-train", "class-missing-in-test", "no-train-split", "split-missing"),
    closed_set=("class-missing-in-train",),
)
NEEDED = ("no-train-split",)
"""Findings that accepting does not get past: without another split there is nothing to train on."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Nothing where no splits are given: they are drawn later."""
    del scan
    given = dataset.splits != ""
    if not given.any():
        return []
    if not (dataset.splits == "train").any() and given.all():
        return finding_on(
            dataset, "no-train-split", "error", given,
            "all {n} images are in val or test, none in train",
            "Name a part train, or give no splits and let them be drawn.",
        )  # fmt: skip
    return [
        *finding_on(dataset, "split-missing", "warning", ~given,
               "{n} images ({share}) have no split while others have one",
               "Give every image a split, or none."),
        *_unseen(dataset, given),
    ]  # fmt: skip


def _unseen(dataset: Dataset, given: np.ndarray) -> list[Finding]:
    """Classes in val or test without an image in train, and objects' classes that are in train only."""
    if dataset.classes is None:
        return []
    held = given & (dataset.splits != "train")
    in_training, tested = class_counts(dataset, ~held), class_counts(dataset, held)
    unseen = (in_training == 0) & (tested > 0)
    indices = np.flatnonzero(held)
    where = indices[present(dataset, indices)[:, unseen].any(1)]
    names = ", ".join(f"'{dataset.classes.names[k]}'" for k in np.flatnonzero(unseen)[:10])
    findings = finding_on(
        dataset,
        "class-missing-in-train",
        "error",
        where,
        f"{{n}} images in val or test are of classes that train has no image of: {names}".replace(
            names, names.replace("{", "{{").replace("}", "}}")
        ),
        "Put images of these classes into train, or take the classes out of val and test.",
    )
    if not dataset.targets.located:
        return findings
    return [*findings, *_untested(dataset, in_training, given)]


def _untested(dataset: Dataset, in_training: np.ndarray, given: np.ndarray) -> list[Finding]:
    """Classes that are in train, and not in a val or test that the data give."""
    assert dataset.classes is not None
    items = [
        f"{dataset.classes.names[k]} ({part})"
        for part in ("val", "test")
        if (dataset.splits[given] == part).any()
        for k in np.flatnonzero((in_training > 0) & (class_counts(dataset, dataset.splits == part) == 0))
    ]
    if not items:
        return []
    shown = ", ".join(items[:8]) + (", ..." if len(items) > 8 else "")
    return [
        Finding(
            "class-missing-in-test",
            "warning",
            f"{len(items)} classes of train are not in val or in test, where nothing can be said of them: "
            f"{shown}",
            "Put images of these classes into val and test, or read the scores without them.",
            len(items),
            tuple(items),
        )
    ]
