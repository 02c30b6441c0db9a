"""Pairs of images, by whether both show the same identity: thresholds, ROC, nearest neighbors.

Cosines are counted in whole steps of a millionth (`levels`): so what differs by rounding alone is a tie, on
every machine and in blocks of any size. All pairs are looked at; an image is never paired with itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STEPS = 2**20
"""Levels of a cosine between 0 and 1."""
ROWS = 512
"""Images whose cosines with all others are held at once."""
LEAST_PAIRS = 3.0
"""Impostor pairs that a false accept rate needs, as a multiple of 1 / rate: with fewer, that none of them is
accepted does not show, with 95 % confidence, that the rate is as low (rule of three)."""

Vectors = NDArray[np.float32]
Levels = NDArray[np.int32]


@dataclass(frozen=True)
class Pairs:
    """Levels of pairs, sorted.

    Attributes:
        genuine: Of pairs with one identity.
        impostor: Of pairs with two.
    """

    genuine: Levels
    impostor: Levels


@dataclass(frozen=True)
class Counts:
    """Sorted levels, less some of them.

    Attributes:
        levels: All.
        removed: Those that do not count, sorted.
    """

    levels: Levels
    removed: Levels

    def __len__(self) -> int:
        return len(self.levels) - len(self.removed)

    def at_least(self, level: int) -> int:
        """How many are at this level or above."""
        counts = [len(x) - int(np.searchsorted(x, level)) for x in (self.levels, self.removed)]
        return counts[0] - counts[1]


class _Content:
    """Arrays as the key of a cache, by what they hold."""

    def __init__(self, vectors: Vectors, identity: NDArray[np.int64]) -> None:
        self.vectors, self.identity = vectors, identity
        self._digest = hashlib.blake2b(vectors.tobytes() + identity.tobytes(), digest_size=16).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and other._digest == self._digest


def cosine_levels(a: Vectors, b: Vectors) -> Levels:
    """(M, N) cosines of unit vectors (M, D) and (N, D) as levels."""
    return np.asarray(np.rint((a @ b.T) * np.float32(STEPS)).astype(np.int32))


def blocks(vectors: Vectors) -> Iterator[tuple[NDArray[np.int64], Levels]]:
    """Rows of images, and the levels (rows, N) of their cosines with all N images."""
    for start in range(0, len(vectors), ROWS):
        rows = np.arange(start, min(start + ROWS, len(vectors)))
        yield rows, cosine_levels(vectors[rows], vectors)


def all_pairs(vectors: Vectors, identity: NDArray[np.int64]) -> Pairs:
    """Each pair of N images once.

    Args:
        vectors: (N, D) of length 1.
        identity: (N,) number of the identity of each.
    """
    return _all_pairs(_Content(np.ascontiguousarray(vectors, np.float32), identity))


@lru_cache(maxsize=2)  # the same pairs are counted by several metrics, and under many weightings
def _all_pairs(content: _Content) -> Pairs:
    everything = np.ones(len(content.identity), dtype=bool)
    return pairs_with(content.vectors, content.identity, everything)


def pairs_with(vectors: Vectors, identity: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Pairs:
    """Each pair once in which at least one of two images is among the chosen ones, (N,) bool."""
    genuine, impostor = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    where, columns = np.flatnonzero(chosen), np.arange(len(vectors))
    for start in range(0, len(where), ROWS):
        rows = where[start : start + ROWS]
        levels = cosine_levels(vectors[rows], vectors)
        once = ~chosen | (columns > rows[:, None])
        same = identity[rows, None] == identity
        genuine.append(levels[same & once & (columns != rows[:, None])])
        impostor.append(levels[~same & once])
    return Pairs(*(np.sort(np.concatenate(parts)) for parts in (genuine, impostor)))


def threshold_level(impostor: Counts, rate: float) -> int:
    """Lowest level from which on at most this share of impostor pairs is accepted."""
    allowed = int(np.floor(rate * len(impostor) * (1 + 1e-12)))
    low, high = -STEPS - 1, STEPS + 2  # no pair is accepted from `high` on
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if impostor.at_least(middle) <= allowed else (middle, high)
    return high if allowed < len(impostor) else -STEPS - 1


def true_accepts(genuine: Counts, impostor: Counts, rate: float) -> float:
    """Share of genuine pairs that are accepted (TAR) at a false accept rate (FAR); nan without pairs."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    return genuine.at_least(threshold_level(impostor, rate)) / len(genuine)


def equal_error_rate(genuine: Counts, impostor: Counts) -> float:
    """Error rate at which as many impostor pairs are accepted as genuine ones are rejected, by share.

    Between two thresholds the ROC curve is a straight line.
    """
    if not len(genuine) or not len(impostor):
        return float("nan")

    def errors(level: int) -> tuple[float, float]:
        return impostor.at_least(level) / len(impostor), 1 - genuine.at_least(level) / len(genuine)

    low, high = -STEPS - 1, STEPS + 2
    while high - low > 1:
        middle = (low + high) // 2
        accepts, rejects = errors(middle)
        low, high = (middle, high) if accepts >= rejects else (low, middle)
    (accepts, rejects), (next_accepts, next_rejects) = errors(low), errors(high)
    before, after = accepts - rejects, next_accepts - next_rejects
    return accepts + (next_accepts - accepts) * before / (before - after)


def area(genuine: Counts, impostor: Counts) -> float:
    """Area under the ROC curve: how often a genuine pair is above an impostor pair; ties count half."""
    if not len(genuine) or not len(impostor):
        return float("nan")

    def above(first: Levels, second: Levels) -> float:
        sides = [np.searchsorted(second, first, side) for side in ("left", "right")]  # type: ignore[call-overload]
        return float(sum(int(side.sum()) for side in sides)) / 2

    whole = above(genuine.levels, impostor.levels) - above(genuine.removed, impostor.levels)
    whole -= above(genuine.levels, impostor.removed) - above(genuine.removed, impostor.removed)
    return whole / (len(genuine) * len(impostor))


@dataclass(frozen=True)
class Ranks:
    """How each image finds the others of its identity among all others.

    Attributes:
        first: (N,) int64 rank of the first right one, from 1; 0 where there is no other image.
        precision: (N,) average precision; nan where there is no other image.
    """

    first: NDArray[np.int64]
    precision: NDArray[np.float64]


def ranks(vectors: Vectors, identity: NDArray[np.int64]) -> Ranks:
    """Ranking of all others for each of N images; of equal cosines, those of other identities come first."""
    return _ranks(_Content(np.ascontiguousarray(vectors, np.float32), identity))


@lru_cache(maxsize=2)
def _ranks(content: _Content) -> Ranks:
    n, identity = len(content.identity), content.identity
    first, precision = np.zeros(n, dtype=np.int64), np.full(n, np.nan)
    places = np.arange(1, n)
    for rows, levels in blocks(content.vectors):
        same = identity[rows, None] == identity
        key = 2 * levels.astype(np.int64) + ~same
        key[np.arange(len(rows)), rows] = -4 * STEPS  # itself comes last
        right = np.take_along_axis(same, np.argsort(-key, axis=1, kind="stable"), 1)[:, :-1]
        searches = right.any(1)
        first[rows[searches]] = right[searches].argmax(1) + 1
        hits = np.cumsum(right[searches], 1) / places
        precision[rows[searches]] = (hits * right[searches]).sum(1) / right[searches].sum(1)
    return Ranks(first, precision)
