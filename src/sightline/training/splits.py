"""Splits of a plan: drawn anew, or taken from another run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.core.dataset import Dataset
from sightline.data.checks.duplicates import group_duplicates
from sightline.data.scan import Scan
from sightline.data.split import SPLITS_FILE, grown, read_splits, split
from sightline.errors import DataError


def divide(
    dataset: Dataset, scan: Scan, splits: Path | None, seed: int, strata: np.ndarray | None
) -> tuple[np.ndarray, list[str]]:
    """(N,) "train", "val" or "test" of each item, and messages about the split.

    Args:
        dataset: What to divide.
        scan: What was measured of it: duplicates stay together.
        splits: A run folder or a JSON file whose split is taken.
        seed: Another seed, another split.
        strata: (N,) int, what is kept in proportion.

    Raises:
        DataError: If a split cannot be read, or names items that are not there.
    """
    alike = group_duplicates(dataset, scan)
    if splits is None:
        assignment = split(dataset, seed=seed, strata=strata, together=alike)
        return assignment.assignment, list(assignment.messages)
    file = splits / SPLITS_FILE if splits.is_dir() else splits
    try:
        stored = read_splits(file)
    except DataError as error:
        raise DataError(f"--splits {error}") from error
    assignment = grown(dataset, stored, together=alike)
    return assignment.assignment, [f"Split replayed from {file}.", *assignment.messages]
