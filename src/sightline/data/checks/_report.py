"""Helpers of all checks: findings in one format."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.base import Targets

BLOCK = 1 << 16  # items at a time, for the memory
CELLS = 1 << 28  # items times classes up to which they fit into memory at once


def finding_on(
    dataset: Dataset, name: str, severity: Severity, where: np.ndarray, message: str, fix: str
) -> list[Finding]:
    """A finding on the items that a mask or indices select; none if there are no such items.

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


def join_names(dataset: Dataset, groups: Iterable[Iterable[int]]) -> tuple[str, ...]:
    """Names of groups of items that belong together, one text a group."""
    return tuple(" = ".join(ids(dataset, group)) for group in groups)


def present(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """(n, K) bool: which classes are in each of some items; labels outside the table are in none."""
    assert dataset.classes is not None
    targets: Targets = dataset.targets
    classes, rows = len(dataset.classes), torch.from_numpy(indices)
    if len(dataset) * classes <= CELLS:  # all at once: what class maps count is counted once
        return np.asarray(targets.class_presence(classes)[rows].numpy())
    return np.asarray(targets[rows].class_presence(classes).numpy())


def silent_parts(dataset: Dataset) -> list[str]:
    """Parts (train, val) in which no item has anything to score."""
    labeled = dataset.targets.scorable().numpy()
    parts = {"train": (dataset.splits == "train") | (dataset.splits == ""), "val": dataset.splits == "val"}
    return [name for name, where in parts.items() if where.any() and not labeled[where].any()]


def class_counts(dataset: Dataset, where: np.ndarray | None = None) -> np.ndarray:
    """(K,) images of each class among all items or some; an item with several counts for each."""
    assert dataset.classes is not None
    indices = np.arange(len(dataset))
    indices = indices if where is None else indices[where]
    blocks = (indices[i : i + BLOCK] for i in range(0, len(indices), BLOCK))
    counts = [present(dataset, block).sum(0, dtype=np.int64) for block in blocks]
    return np.asarray(np.sum([np.zeros(len(dataset.classes), np.int64), *counts], axis=0))
