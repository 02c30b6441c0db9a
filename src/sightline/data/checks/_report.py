"""Helpers of all checks: findings in one format."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import VOID, Masks

BLOCK = 1 << 16  # items at a time, for the memory
_counted: WeakKeyDictionary[Masks, np.ndarray] = WeakKeyDictionary()


def found(
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


def joined(dataset: Dataset, groups: Iterable[Iterable[int]]) -> tuple[str, ...]:
    """Names of groups of items that belong together, one text a group."""
    return tuple(" = ".join(ids(dataset, group)) for group in groups)


def present(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """(n, K) bool: which classes are in each of some items; labels outside the table are in none."""
    assert dataset.classes is not None
    classes = len(dataset.classes)
    if isinstance(dataset.targets, Masks):
        return np.asarray(pixel_counts(dataset.targets)[indices, :classes] > 0)
    targets = dataset.targets[torch.from_numpy(indices)]
    if isinstance(targets, Instances):
        targets = targets.only((targets.labels >= 0) & (targets.labels < classes))
    return np.asarray(targets.present(classes).numpy())


def pixel_counts(targets: Masks) -> np.ndarray:
    """(N, 256) pixels of each value in N class maps; those of VOID last. Counted once, for all checks."""
    counts = _counted.get(targets)
    if counts is None:
        counts = np.zeros((len(targets), VOID + 1), dtype=np.int64)

        def count(i: int) -> None:
            counts[i] = np.bincount(targets.map(i).ravel(), minlength=VOID + 1)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(count, range(len(targets))))
        _counted[targets] = counts
    return counts


def tells(dataset: Dataset) -> np.ndarray:
    """(N,) bool: items with something to score: an object that is neither a crowd nor difficult, a pixel
    with a class. A label or a number always counts.
    """
    targets = dataset.targets
    if isinstance(targets, Masks):
        return np.asarray(pixel_counts(targets)[:, :VOID].any(1))
    if not isinstance(targets, Instances):
        return np.ones(len(dataset), dtype=bool)
    apart = torch.zeros(len(targets.labels), dtype=torch.bool)
    for flag in (targets.crowd, targets.difficult):
        apart |= False if flag is None else flag
    return np.asarray(np.bincount(targets.image[~apart].numpy(), minlength=len(dataset)) > 0)


def silent_parts(dataset: Dataset) -> list[str]:
    """Parts (train, val) in which no item has anything to score."""
    labeled = tells(dataset)
    parts = {"train": (dataset.splits == "train") | (dataset.splits == ""), "val": dataset.splits == "val"}
    return [name for name, where in parts.items() if where.any() and not labeled[where].any()]


def class_counts(dataset: Dataset, where: np.ndarray | None = None) -> np.ndarray:
    """(K,) pictures of each class among all items or some; an item with several counts for each."""
    assert dataset.classes is not None
    indices = np.arange(len(dataset))
    indices = indices if where is None else indices[where]
    blocks = (indices[i : i + BLOCK] for i in range(0, len(indices), BLOCK))
    counts = [present(dataset, block).sum(0, dtype=np.int64) for block in blocks]
    return np.asarray(np.sum([np.zeros(len(dataset.classes), np.int64), *counts], axis=0))


def object_counts(dataset: Dataset) -> np.ndarray:
    """(K,) objects of each class, where pictures hold objects."""
    assert dataset.classes is not None
    labels = dataset.targets.labels.numpy()
    classes = len(dataset.classes)
    return np.asarray(np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes))
