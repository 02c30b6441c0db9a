"""Identities that look wrong: two names that may be of one, and images that look like none of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.metrics.functional.pairs import STEPS, blocks

FINDINGS = ("identities-alike", "image-unlike-identity")


@dataclass(frozen=True)
class Pair:
    """Two images.

    Attributes:
        first: Number of the one.
        second: Number of the other.
        cosine: Of their vectors.
    """

    first: int
    second: int
    cosine: float


def closest_impostors(vectors: NDArray[np.float32], identity: NDArray[np.int64], most: int) -> list[Pair]:
    """The pair of highest cosine of each two identities, the highest first."""
    best: dict[tuple[int, int], Pair] = {}
    for rows, levels in blocks(vectors):
        other = np.where(identity[rows, None] == identity, np.iinfo(np.int32).min, levels)
        for row, nearest in zip(rows.tolist(), other.argmax(1).tolist(), strict=True):
            a, b = int(identity[row]), int(identity[nearest])
            names = min(a, b), max(a, b)
            cosine = float(other[row - rows[0], nearest]) / STEPS
            if a != b and cosine > best.get(names, Pair(0, 0, -2.0)).cosine:
                best[names] = Pair(row, nearest, cosine)
    return sorted(best.values(), key=lambda pair: -pair.cosine)[:most]


def farthest_genuine(vectors: NDArray[np.float32], identity: NDArray[np.int64], most: int) -> list[Pair]:
    """The pair of lowest cosine of each identity, the lowest first."""
    worst: dict[int, Pair] = {}
    for rows, levels in blocks(vectors):
        same = np.where(identity[rows, None] == identity, levels, np.iinfo(np.int32).max)
        for row, farthest in zip(rows.tolist(), same.argmin(1).tolist(), strict=True):
            cosine = float(same[row - rows[0], farthest]) / STEPS
            if row != farthest and cosine < worst.get(int(identity[row]), Pair(0, 0, 2.0)).cosine:
                worst[int(identity[row])] = Pair(row, farthest, cosine)
    return sorted(worst.values(), key=lambda pair: pair.cosine)[:most]


def issues(
    prediction: Vector, target: ClassLabels, ids: Sequence[str], settings: Mapping[str, Any]
) -> list[Finding]:
    """Findings by the threshold that was fitted on validation; none without one."""
    threshold = settings.get("threshold")
    if threshold is None:
        return []
    vectors, identity = prediction.embedding.float().numpy(), target.value.numpy()
    mean, genuine = _means(vectors, identity)
    return [*_alike(mean, identity, ids, threshold), *_unlike(genuine, mean, identity, ids, threshold)]


def _means(
    vectors: NDArray[np.float32], identity: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, K) mean cosine of each image with the images of each identity, itself left out; and (N,) with those
    of its own, nan where there is no other."""
    names, index = np.unique(identity, return_inverse=True)
    members = (index[:, None] == np.arange(len(names))).astype(np.float64)
    sums, rows = vectors.astype(np.float64) @ (vectors.T.astype(np.float64) @ members), np.arange(len(index))
    counts = np.repeat(members.sum(0)[None], len(index), 0)
    sums[rows, index] -= 1
    counts[rows, index] -= 1
    mean = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return mean, mean[rows, index]


def _alike(
    mean: NDArray[np.float64], identity: NDArray[np.int64], ids: Sequence[str], threshold: float
) -> list[Finding]:
    """Pairs of identities whose images are accepted as one on average, both ways."""
    index = np.unique(identity, return_inverse=True)[1]
    between = np.stack([mean[index == k].mean(0) for k in range(mean.shape[1])])
    first, second = np.nonzero(np.triu(between >= threshold, 1))
    order = np.argsort(-between[first, second], kind="stable")
    shown = [np.flatnonzero(index == k)[0] for k in range(mean.shape[1])]
    items = tuple(
        f"{ids[shown[a]]} = {ids[shown[b]]} ({between[a, b]:.2f})"
        for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True)
    )
    if not items:
        return []
    return [
        Finding(
            "identities-alike",
            "warning",
            f"{len(items):,} pairs of identities look like one each: the mean cosine of their images is "
            "at least the "
            f"threshold, {threshold:.2f}. An image of each is named",
            "Look whether one person or thing has two names, and merge them.",
            len(items),
            items,
        )
    ]


def _unlike(
    genuine: NDArray[np.float64],
    mean: NDArray[np.float64],
    identity: NDArray[np.int64],
    ids: Sequence[str],
    threshold: float,
) -> list[Finding]:
    """Images that are below the threshold with their own identity, and above it with another one."""
    index = np.unique(identity, return_inverse=True)[1]
    others = mean.copy()
    others[np.arange(len(index)), index] = -np.inf
    where = np.flatnonzero((genuine < threshold) & (others.max(1) >= threshold))
    items = tuple(ids[i] for i in where[np.argsort(genuine[where], kind="stable")].tolist())
    if not items:
        return []
    return [
        Finding(
            "image-unlike-identity",
            "warning",
            f"{len(items):,} images are more like another identity than like their own: the mean cosine "
            "with the "
            f"other is at least the threshold, {threshold:.2f}, and with their own below it",
            "Look whether the image lies with the wrong identity.",
            len(items),
            items,
        )
    ]
