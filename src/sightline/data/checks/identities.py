"""Check of identities (people, products): whether they are kept apart by the splits, and have pairs."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

CARD = CheckCard(
    name="identities",
    summary="Identities in several splits, identities with a single image",
    findings=("identities-across-splits", "identities-without-pairs", "identities-single-image"),
    open_set=True,
)
NEEDED = ("identities-without-pairs",)
"""Findings that accepting does not get past: without a pair of one identity there is nothing to learn."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Identities are the classes; nothing for other targets than one class for each image."""
    if not isinstance(dataset.targets, ClassLabels) or dataset.targets.multilabel or not len(dataset):
        return []
    identity = np.where(scan.readable, dataset.targets.value.numpy(), -1)
    return [*_across(dataset, identity), *_single(dataset, identity)]


def _across(dataset: Dataset, identity: np.ndarray) -> list[Finding]:
    """Images of identities that the given splits tear apart."""
    assert dataset.classes is not None
    given = np.flatnonzero((dataset.splits != "") & (identity >= 0))
    pairs = np.unique(
        np.stack([identity[given], np.unique(dataset.splits[given], return_inverse=True)[1]]), axis=1
    )
    torn = np.flatnonzero(np.bincount(pairs[0], minlength=len(dataset.classes)) > 1)
    shown = ", ".join(f"'{dataset.classes.names[k]}'" for k in torn[:5]) + (", ..." if len(torn) > 5 else "")
    shown = shown.replace("{", "{{").replace("}", "}}")
    return finding_on(
        dataset, "identities-across-splits", "error", given[np.isin(identity[given], torn)],
        f"{len(torn):,} identities are in several splits ({shown}; {{n}} images): the test would ask for "
        "people or "
        "things that were learnt by heart",
        "Put each identity into one split, or give no splits and let them be drawn: they keep identities "
        "whole.",
    )  # fmt: skip


def _single(dataset: Dataset, identity: np.ndarray) -> list[Finding]:
    """Identities with a single image, and the lack of any other."""
    counts = np.bincount(identity[identity >= 0], minlength=1)
    alone = (identity >= 0) & (counts[identity] == 1)
    if not (counts > 1).any():
        return finding_on(
            dataset, "identities-without-pairs", "error", alone,
            "none of the identities of these {n} images has a second image: there is no pair to learn from",
            "Add images, so that identities have several; or name the right column with --target.",
        )  # fmt: skip
    return finding_on(
        dataset, "identities-single-image", "info", alone,
        "{n} images ({share}) are the only ones of their identity: they are in no pair of one identity",
        "Nothing needs to be done; more images of these identities would help.",
    )  # fmt: skip
