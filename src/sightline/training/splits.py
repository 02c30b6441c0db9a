"""Splits of a plan: drawn anew, or taken from another run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.core.card import TaskCard
from sightline.core.dataset import Dataset
from sightline.core.targets.none import Unlabeled
from sightline.data.checks._report import silent_parts
from sightline.data.checks.duplicates import group_duplicates
from sightline.data.inputs import input_kind
from sightline.data.split import SPLITS_FILE, grown, read_splits, split
from sightline.errors import DataError
from sightline.training.prepare_data import PreparedData


def divide(prepared: PreparedData, splits: Path | None, seed: int) -> tuple[np.ndarray, list[str]]:
    """(N,) "train", "val" or "test" of each item, and messages about the split.

    Args:
        prepared: What to divide: duplicates stay together, classes in proportion.
        splits: A run folder or a JSON file whose split is taken.
        seed: Another seed, another split.

    Raises:
        DataError: If a split cannot be read, or names items that are not there.
    """
    dataset = prepared.dataset
    alike = group_duplicates(dataset, prepared.scan)
    if splits is None:
        strata, least = prepared.stratify_labels, prepared.least_units
        assignment = split(dataset, seed=seed, strata=strata, together=alike, least=least)
        return assignment.assignment, list(assignment.messages)
    file = splits / SPLITS_FILE if splits.is_dir() else splits
    try:
        stored = read_splits(file)
    except DataError as error:
        raise DataError(f"--splits {error}") from error
    assignment = grown(dataset, stored, together=alike)
    return assignment.assignment, [f"Split replayed from {file}.", *assignment.messages]


def require_pairs(dataset: Dataset) -> None:
    """Refuse parts in which vectors of identities cannot be compared.

    Raises:
        DataError: If a part has fewer than two identities, or no two images of one.
    """
    labels = dataset.targets.stratify_labels()
    if labels is None:
        return
    for name in ("train", "val", "test"):
        counts = np.unique_counts(labels[dataset.indices_of(name)]).counts
        if len(counts) < 2 or counts.max() < 2:
            raise DataError(
                f"{dataset.name}: the {name} part has {len(counts)} of {len(np.unique(labels))} identities, "
                f"with {counts.max(initial=0)} images at most. Each part needs two, and two images of one of "
                "them, so that there are pairs. Add identities, or give a split of your own."
            )


def require_enough(dataset: Dataset, card: TaskCard) -> None:
    """Refuse parts with too few images, or, where the task needs annotations, without anything to score.

    Raises:
        DataError: If a part is so.
    """
    item, groups = input_kind(dataset.input).item, dataset.groups
    whole = f"{len(dataset)}" if groups is None else f"{len(dataset)}, in {len(set(groups))} groups"
    for name, least in (("train", 2), ("val", 1), ("test", 1)):
        if (count := len(dataset.indices_of(name))) < least:
            raise DataError(
                f"{dataset.name}: the {name} part has {count} {item}{'' if count == 1 else 's'}, at least "
                f"{least} are needed. The whole set has {whole}. Add {item}s, or give a split of your own."
            )
    if card.target_type == Unlabeled.kind:
        return
    for name in silent_parts(dataset):
        raise DataError(
            f"{dataset.name}: the {name} part has {len(dataset.indices_of(name))} images, and none has an "
            "object or a pixel with a class that counts. Annotate more images, or give a split of your own "
            "in which that part has some."
        )
