"""What all checks say in the same way."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity


def found(
    dataset: Dataset, name: str, severity: Severity, where: np.ndarray, message: str, fix: str
) -> list[Finding]:
    """One finding on the items that a mask or indices name; none if there are no such items.

    Args:
        dataset: What was checked.
        name: What --accept takes.
        severity: How bad it is.
        where: (N,) bool, or indices.
        message: What was found; "{n}" stands for the number of items, "{share}" for their share.
        fix: How to mend it.
    """
    indices = np.flatnonzero(where) if where.dtype == bool else where
    if not len(indices):
        return []
    text = message.format(n=f"{len(indices):,}", share=f"{len(indices) / len(dataset):.1%}")
    return [Finding(name, severity, text, fix, len(indices), ids(dataset, indices))]


def ids(dataset: Dataset, indices: Iterable[int]) -> tuple[str, ...]:
    """Names of some items."""
    return tuple(dataset.ids[i] for i in indices)


def joined(dataset: Dataset, groups: Iterable[Iterable[int]]) -> tuple[str, ...]:
    """Names of groups of items that belong together, one text a group."""
    return tuple(" = ".join(ids(dataset, group)) for group in groups)


def class_counts(dataset: Dataset, where: np.ndarray | None = None) -> np.ndarray:
    """(K,) pictures of each class among all items or some; an item with several counts for each."""
    assert dataset.classes is not None
    value = dataset.targets.value.numpy()
    value = value if where is None else value[where]
    if value.ndim == 2:
        return np.asarray(value.sum(0, dtype=np.int64))
    known = value[(value >= 0) & (value < len(dataset.classes))]
    return np.bincount(known, minlength=len(dataset.classes))
