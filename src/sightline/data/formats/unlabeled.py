"""A folder of images of which nothing is said: for tasks that need no labels, and for no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.targets.none import Unlabeled
from sightline.data.io.pixels import Files
from sightline.data.parsing.class_folders import as_split, images_of
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

CARD = FormatCard(
    name="unlabeled",
    summary="a folder of images, at any depth, without labels",
    recognized_by="photos/1.jpg, photos/holiday/2.jpg",
    target_types=("none",),
)


def sniff(source: str, options: ReadOptions) -> float:
    """Sure of any folder where nothing but images is wanted, but for formats that are surer; else never."""
    return 0.95 if options.target_type == "none" and Path(source).is_dir() else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images below a folder; the split of those in folders named after one.

    Raises:
        DataError: If there is none.
    """
    del options
    root = Path(source)
    files = images_of([root])
    if not files:
        raise DataError(f"{root}: there is no image in this folder. Expected {CARD.recognized_by}.")
    ids = [file.relative_to(root).as_posix() for file in files]
    splits = np.array([_split(item) for item in ids], dtype=object)
    note = f"{len(files):,} images without labels."
    targets, name = Unlabeled(len(files)), root.resolve().name
    return Dataset(name, CARD.name, ids, Files(files), targets, splits=splits, root=root, messages=(note,))


def _split(item: str) -> str:
    folder, slash, _ = item.partition("/")
    return as_split(folder) if slash else ""
