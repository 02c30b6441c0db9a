"""The mean pose of objects, and those whose left and right points seem to be exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
_ROUNDS = 8
_LEAST_POINTS = 4  # labeled in an object, of which two may be exchanged
_LEAST_OBJECTS = 10
_NEARER = 0.25  # squared distance from the mean pose, as a share of that with left and right exchanged
_MOST = 0.8  # share of objects that must be as near, for the pose to tell left from right


def mean_pose(z: Complex, labeled: NDArray[np.bool_]) -> tuple[Complex, Complex]:
    """Mean pose (J,) and the objects (M, J) aligned to it by shift, rotation and scale, without mirroring.

    Source: generalized Procrustes analysis, J. C. Gower, Psychometrika 40, 1975, with medians.

    Args:
        z: (M, J) points as complex numbers x + iy.
        labeled: (M, J); points that are not are left out.
    """
    mean = z[labeled.sum(1).argmax()]
    aligned = z
    for _ in range(_ROUNDS):
        aligned = align(z, labeled, mean)
        parts = np.where(labeled, aligned, np.nan)
        present = labeled.any(0)
        mean = np.zeros(z.shape[1], dtype=np.complex128)
        columns = parts[:, present]
        mean[present] = np.nanmedian(columns.real, 0) + 1j * np.nanmedian(columns.imag, 0)
        centered = mean - mean[present].mean()
        mean = centered / max(float(np.abs(centered[present]).mean()), 1e-12)
    return mean, align(z, labeled, mean)


def align(z: Complex, labeled: NDArray[np.bool_], mean: Complex) -> Complex:
    """(M, J) objects shifted, rotated and scaled to be nearest to a pose (J,) at their labeled points."""
    count = np.maximum(labeled.sum(1, keepdims=True), 1)
    center = np.where(labeled, z, 0).sum(1, keepdims=True) / count
    middle = np.where(labeled, mean, 0).sum(1, keepdims=True) / count
    centered, wanted = np.where(labeled, z - center, 0), np.where(labeled, mean - middle, 0)
    energy = np.maximum((np.abs(centered) ** 2).sum(1, keepdims=True), 1e-12)
    turn = (centered.conj() * wanted).sum(1, keepdims=True) / energy
    return np.asarray((z - center) * turn + middle)


def exchanged(
    points: NDArray[np.float64], labeled: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Objects that are far nearer to the mean pose once left and right points are exchanged, and which.

    All pairs of an object are exchanged at once, or one pair. Where the exchange does not take most objects
    far away from the mean pose (people from the front and from behind), the pose does not tell left from
    right, and none is named.

    Args:
        points: (M, J, 2).
        labeled: (M, J).
        pairs: Left and right points.
    """
    usable = np.flatnonzero(labeled.sum(1) >= _LEAST_POINTS)
    if len(usable) < _LEAST_OBJECTS or not pairs:
        return []
    z, present = points[usable, :, 0] + 1j * points[usable, :, 1], labeled[usable]
    mean, aligned = mean_pose(z, present)
    order = np.arange(z.shape[1])
    for a, b in pairs:
        order[[a, b]] = b, a
    exchanged_z, exchanged_present = z[:, order], present[:, order]
    before = _distance(aligned, present, mean)
    after = _distance(align(exchanged_z, exchanged_present, mean), exchanged_present, mean)
    whole = _wrong(before, after, np.asarray(present[:, [a for a, _ in pairs]].any(1)))
    suspects: dict[int, list[tuple[int, int]]] = {int(m): list(pairs) for m in np.flatnonzero(whole)}
    for a, b in pairs:
        before = np.abs(aligned[:, a] - mean[a]) ** 2 + np.abs(aligned[:, b] - mean[b]) ** 2
        after = np.abs(aligned[:, b] - mean[a]) ** 2 + np.abs(aligned[:, a] - mean[b]) ** 2
        wrong = _wrong(before, after, np.asarray(present[:, [a, b]].all(1)))
        for m in np.flatnonzero(wrong & ~whole):
            suspects.setdefault(int(m), []).append((a, b))
    return [(int(usable[m]), which) for m, which in sorted(suspects.items())]


def _wrong(
    before: NDArray[np.float64], after: NDArray[np.float64], judged: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(M,) which of the judged objects are far nearer after the exchange; none if it is not far from most."""
    right = judged & (before < _NEARER * after)
    if right.sum() < _MOST * max(int(judged.sum()), 1):
        return np.zeros(len(judged), dtype=bool)
    return judged & (after < _NEARER * before)


def _distance(aligned: Complex, labeled: NDArray[np.bool_], mean: Complex) -> NDArray[np.float64]:
    """(M,) mean squared distance of the labeled points of each object from a pose."""
    squares = np.where(labeled, np.abs(aligned - mean) ** 2, 0)
    return np.asarray(squares.sum(1) / np.maximum(labeled.sum(1), 1))
