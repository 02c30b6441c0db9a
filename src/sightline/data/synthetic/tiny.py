"""Tiny synthetic data sets with any kind of target."""

from __future__ import annotations

from sightline.core.dataset import Classes, Dataset
from sightline.core.targets import target_type
from sightline.data.io.pixels import Arrays


def tiny(kind: str, n: int, size: int, seed: int) -> Dataset:
    """n images of `size` pixels a side with targets of a kind, which a working model can overfit.

    Raises:
        UnknownName: If there is no such kind.
    """
    sample = target_type(kind).synthetic(n, size, seed)
    classes = Classes(sample.classes) if sample.classes else None
    ids = [f"toy/{i:03d}" for i in range(n)]
    pixels = Arrays(sample.images)
    return Dataset("toy", "toy", ids, pixels, sample.targets, classes, outputs=sample.outputs)
