"""Splits that the data give, and what they lack."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import class_counts, found
from sightline.data.scan import Scan

CARD = CheckCard(
    name="splits",
    summary="Classes that training never sees, no training part, items without a split among others",
    findings=("class-unseen-in-training", "no-train-split", "split-missing"),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Nothing where no splits are given: they are drawn later."""
    del scan
    given = dataset.splits != ""
    if not given.any():
        return []
    if not (dataset.splits == "train").any() and given.all():
        return found(
            dataset, "no-train-split", "error", given,
            "all {n} pictures are in val or test, none in train",
            "Name a part train, or give no splits and let them be drawn.",
        )  # fmt: skip
    return [
        *found(dataset, "split-missing", "warning", ~given,
               "{n} pictures ({share}) have no split while others have one",
               "Give every picture a split, or none."),
        *_unseen(dataset, given),
    ]  # fmt: skip


def _unseen(dataset: Dataset, given: np.ndarray) -> list[Finding]:
    """Classes in val or test without a picture in train."""
    if dataset.classes is None or dataset.truth != "label":
        return []
    held = given & (dataset.splits != "train")
    seen = class_counts(dataset, ~held)
    unseen = (seen == 0) & (class_counts(dataset, held) > 0)
    value = dataset.targets.value.numpy()
    has = value[:, unseen].any(1) if value.ndim == 2 else np.isin(value, np.flatnonzero(unseen))
    names = ", ".join(f"'{dataset.classes.names[k]}'" for k in np.flatnonzero(unseen)[:10])
    return found(
        dataset,
        "class-unseen-in-training",
        "error",
        held & has,
        f"{{n}} pictures in val or test are of classes that train has no picture of: {names}".replace(
            names, names.replace("{", "{{").replace("}", "}}")
        ),
        "Put pictures of these classes into train, or take the classes out of val and test.",
    )
