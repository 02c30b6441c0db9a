"""Samplers: the order of the items of an epoch, where it goes by their classes."""

from __future__ import annotations

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.targets.label import ClassLabels
from sightline.errors import UsageError

PER_CLASS = 4
"""Images of a class that follow one another in the order of `per_class`, at most."""


def single_labels(dataset: Dataset) -> np.ndarray:
    """(N,) class of each item.

    Raises:
        UsageError: If items have not one class each.
    """
    targets = dataset.targets
    if not isinstance(targets, ClassLabels) or targets.multilabel:
        raise UsageError(
            f"--sampler m-per-class needs one class for each image; the data have {targets.description}. Use "
            "--sampler random."
        )
    return np.asarray(targets.value.numpy())


def per_class(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order in which images of one class come together, up to `PER_CLASS` of them, and each image once.

    So a batch has pairs of one class, which losses on pairs and triplets need (Schroff, Kalenichenko,
    Philbin, FaceNet, CVPR 2015, section 3.2).

    Args:
        labels: (N,) class of each item.
        rng: Source of the order.
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    ends = np.flatnonzero(np.diff(labels[by_class])) + 1
    chunks = [
        chunk
        for group in np.split(by_class, ends)
        for chunk in np.array_split(group, -(-len(group) // PER_CLASS))
    ]
    return np.concatenate([chunks[k] for k in rng.permutation(len(chunks))])
