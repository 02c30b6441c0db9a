"""Check of leakage: groups that are in more than one split."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import ids
from sightline.data.scan import Scan

CARD = CheckCard(
    name="leakage",
    summary="Groups (patient, scene, video) in more than one split",
    findings=("groups-across-splits",),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Items of groups that the given splits tear apart."""
    del scan
    if dataset.groups is None:
        return []
    given = dataset.splits != ""
    names, group = np.unique(dataset.groups.astype(str), return_inverse=True)
    pairs = np.unique(
        np.stack([group[given], np.unique(dataset.splits, return_inverse=True)[1][given]], 1), axis=0
    )
    torn = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(names)) > 1)
    if not len(torn):
        return []
    where = np.flatnonzero(np.isin(group, torn) & given)
    shown = ", ".join(names[torn][:5]) + (", ..." if len(torn) > 5 else "")
    return [
        Finding(
            "groups-across-splits",
            "error",
            f"{len(torn):,} of {len(names):,} groups lie in more than one split ({shown}), "
            f"{len(where):,} images in all: the test set is not independent",
            "Put each group into one split, or give no splits and let them be drawn by group.",
            len(where),
            ids(dataset, where),
        )
    ]
