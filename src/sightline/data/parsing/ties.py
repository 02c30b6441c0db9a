"""Comparison of two readings of one folder: whether they agree, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from sightline.core.dataset import Dataset
from sightline.core.targets.instances import Instances
from sightline.data.io.pixels import Files

_APART = 1.5  # pixels: corners counted from 0 or from 1, rounded or not, are of one box
_Truth = list[tuple[str, Sequence[float]]]


def difference(dataset: Dataset, other: Dataset) -> str:
    """First difference of two readings, in words; "" if they agree.

    A reading without splits does not contradict one that has some.
    """
    if dataset.target_type != other.target_type:
        return (
            f"{dataset.targets.description} as {dataset.format}, {other.targets.description} as "
            f"{other.format}"
        )
    mine, yours = _image_indices(dataset), _image_indices(other)
    for a, b, format in ((mine, yours, dataset.format), (yours, mine, other.format)):
        more = sorted(set(a) - set(b))
        if more:
            return f"{len(more):,} images are named as {format} only ({more[0]}, ...)"
    first, second = _truths(dataset), _truths(other)
    for name, i in mine.items():
        j = yours[name]
        if dataset.splits[i] != other.splits[j] and any(dataset.splits) and any(other.splits):
            mine, theirs = dataset.splits[i], other.splits[j]
            return f"{name} is in '{mine}' as {dataset.format}, in '{theirs}' as {other.format}"
        if not _same(first[i], second[j]):
            return (
                f"{name} shows {_describe(first[i])} as {dataset.format}, {_describe(second[j])} as "
                f"{other.format}"
            )
    return ""


def _image_indices(dataset: Dataset) -> dict[str, int]:
    """Number of each image by its file."""
    pixels = dataset.pixels
    if not isinstance(pixels, Files):
        return {name: i for i, name in enumerate(dataset.ids)}
    return {str(pixels.path(i).resolve()): i for i in range(len(dataset))}


def _truths(dataset: Dataset) -> list[_Truth]:
    """Of each image: class and corners of each box, sorted; other targets as text."""
    targets, names = dataset.targets, () if dataset.classes is None else dataset.classes.names
    if type(targets) is not Instances:
        return [[(f"{entry} of {', '.join(names[:20])}", ())] for entry in targets.digests()]
    rows = [(names[k], box) for k, box in zip(targets.labels.tolist(), targets.boxes.tolist(), strict=True)]
    ends = np.cumsum(targets.counts.numpy())
    return [sorted(rows[e - n : e]) for e, n in zip(ends.tolist(), targets.counts.tolist(), strict=True)]


def _same(a: _Truth, b: _Truth) -> bool:
    names = [name for name, _ in a]
    if names != [name for name, _ in b]:
        return False
    mine, yours = (np.array([corners for _, corners in side], dtype=float) for side in (a, b))
    if not mine.size or np.abs(mine - yours).max() <= _APART:
        return True
    for name in set(names):  # rounding may have sorted them otherwise
        which = np.array([n == name for n in names])
        far = np.abs(mine[which][:, None] - yours[which][None]).max(2)
        if far[linear_sum_assignment(far)].max() > _APART:
            return False
    return True


def _describe(target_type: _Truth) -> str:
    """A few boxes or a class in words."""
    some = [f"{name} {' '.join(f'{v:g}' for v in box)}".strip() for name, box in target_type[:3]]
    return (", ".join(some) + (", ..." if len(target_type) > 3 else "")) or "nothing"
