"""Check of duplicate images: equal bytes or equal pixels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.data.checks._report import join_names
from sightline.data.scan import Scan

MANY_SHARE = 0.01  # share of images with two targets from which training stops
CARD = CheckCard(
    name="duplicates",
    summary="Duplicate images in one split, across splits, or with different targets",
    findings=("duplicates", "duplicates-across-splits", "conflicting-labels"),
)


def group_duplicates(dataset: Dataset, scan: Scan) -> np.ndarray:
    """(N,) int: images that a random split has to keep in one part have the same number.

    These are the ones that are the same, pixel for pixel (unreadable files: byte for byte), and, once
    the check has looked for them, near-duplicates.
    """
    number = same(scan)
    assert len(number) == len(dataset)
    if scan.near is None or not len(scan.near):
        return number
    n = len(number)
    rows, columns = (
        np.concatenate([scan.near[:, 0], np.arange(n)]),
        np.concatenate([scan.near[:, 1], n + number]),
    )
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(2 * n, 2 * n))
    return np.asarray(connected_components(graph, directed=False)[1][:n])


def same(scan: Scan) -> np.ndarray:
    """(N,) int: images that are exactly the same have the same number."""
    keys = np.where(scan.pixels != "", scan.pixels, scan.bytes)
    alone = np.array([f"item {i}" for i in range(len(scan))], dtype=object)
    keys = np.where(keys != "", keys, alone)
    return np.unique(keys.astype(str), return_inverse=True)[1]


def groups(scan: Scan) -> list[np.ndarray]:
    """Indices of the images of each set of readable duplicates."""
    number = np.where(scan.readable, same(scan), -1)
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return [g for g in np.split(order, cuts) if len(g) > 1 and number[g[0]] >= 0]


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Duplicates inside a split, across splits, and with different targets."""
    sets = groups(scan)
    across = [g for g in sets if len(set(dataset.splits[g])) > 1]
    findings = [*_across(dataset, across), *_conflicts(dataset, sets)]
    inside = [g for g in sets if len(set(dataset.splits[g])) < len(g)]
    if inside:
        extra = sum(len(g) - len(set(dataset.splits[g])) for g in inside)
        exact = sum(len(set(scan.bytes[g])) == 1 for g in inside)
        drawn = not (dataset.splits != "").any()
        findings.append(
            Finding(
                "duplicates",
                "warning",
                f"{len(inside):,} images are there more than once ({extra:,} copies; "
                f"{exact:,} byte for byte, {len(inside) - exact:,} pixel for pixel)"
                + ("; copies are kept in one part of the split" if drawn else ""),
                "Keep one of each.",
                extra,
                join_names(dataset, inside),
            )
        )
    return findings


def _across(dataset: Dataset, across: list[np.ndarray]) -> list[Finding]:
    if not across:
        return []
    test = dataset.splits == "test"
    leaked = sum(int(test[g].sum()) for g in across)
    share = f" ({leaked / test.sum():.2%} of test)" if leaked else ""
    return [
        Finding(
            "duplicates-across-splits",
            "error",
            f"{len(across):,} images are in more than one split; {leaked:,} images of test{share} are "
            "known from elsewhere, so that their scores say nothing about new images",
            "Take the copies out of train and val.",
            sum(len(g) for g in across),
            join_names(dataset, across),
        )
    ]


def _conflicts(dataset: Dataset, sets: list[np.ndarray]) -> list[Finding]:
    """Same image, different target; what lies in an image may be listed in any order."""
    if not sets:
        return []
    inside = dataset.targets.located
    targets = [_unordered(t) if inside else json.dumps(t) for t in dataset.targets.to_json()]
    torn = [g for g in sets if len({targets[i] for i in g}) > 1]
    if not torn:
        return []
    n = sum(len(g) for g in torn)
    severity: Severity = "error" if n >= MANY_SHARE * len(dataset) else "warning"
    what = dataset.targets.description if inside else "targets"
    fix = (
        "Decide what is right, mark it in one of the images, and leave out the others."
        if inside
        else "Decide which target is right. If several are, the task is multi-label: use a table."
    )
    return [
        Finding(
            "conflicting-labels",
            severity,
            f"{len(torn):,} images are there more than once with different {what} ({n:,} files, "
            f"{n / len(dataset):.2%})",
            fix,
            n,
            join_names(dataset, torn),
        )
    ]


def _unordered(target: Any) -> str:
    """The target of an image as text that is the same in whatever order its objects are listed."""
    if not isinstance(target, dict) or "labels" not in target:
        return json.dumps(target)
    rest = {k: v for k, v in target.items() if k == "size" or not isinstance(v, list)}
    lists = [(k, v) for k, v in sorted(target.items()) if k not in rest]
    objects = sorted(json.dumps([v[i] for _, v in lists]) for i in range(len(target["labels"])))
    return json.dumps([rest, objects])
