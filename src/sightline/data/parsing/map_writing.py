"""Writing of class maps as files, with the ids of their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.data.io.encode import encode_png
from sightline.data.parsing.content import content
from sightline.data.parsing.writing import all_split, stems
from sightline.errors import DataError
from sightline.ops.draw import Color

_WIDE = 65535


@dataclass(frozen=True)
class Written:
    """One image with its map: name without ending, split, bytes and ending of its file, bytes of a PNG."""

    stem: str
    split: str
    data: bytes
    ending: str
    mask: bytes


def class_table(dataset: Dataset, folder: Path, format: str) -> Classes:
    """The class table of a data set that may be written to a folder; says what the format cannot hold.

    Raises:
        DataError: If the folder is not empty, the target is no class maps, or some items have no split.
    """
    if dataset.target_type != "masks" or dataset.classes is None:
        raise DataError(f"The format '{format}' holds class maps, not a {dataset.target_type}.")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    if not all(0 <= i <= _WIDE for i in dataset.classes.ids):
        raise DataError(f"A PNG holds class ids from 0 to {_WIDE}. Received {dataset.classes.ids}.")
    all_split(dataset)
    if dataset.groups is not None:
        say(f"The format '{format}' cannot hold groups; not written to {folder}.")
    return dataset.classes


def void_of(ids: Sequence[int]) -> int:
    """Ignore index: 255, or the nearest free number below."""
    top = IGNORE_INDEX if max(ids, default=0) <= IGNORE_INDEX else _WIDE
    return next(v for v in range(top, -1, -1) if v not in ids)


def png_of(class_map: np.ndarray, ids: Sequence[int], palette: Sequence[Color]) -> bytes:
    """Encode a class map (H, W) as PNG.

    Args:
        class_map: Index of the class of each pixel, or VOID.
        ids: What the file holds for each class.
        palette: Colours of 0 to 255, for viewers; not used where ids are larger.
    """
    void = void_of(ids)
    wide = max([void, *ids]) > IGNORE_INDEX
    table = np.full(IGNORE_INDEX + 1, void, dtype=np.uint16 if wide else np.uint8)
    table[: len(ids)] = ids
    return encode_png(table[class_map], () if wide else palette)


def write_maps(dataset: Dataset, ids: Sequence[int], palette: Sequence[Color]) -> Iterator[Written]:
    """Write all images with their maps, in order; `ids` and `palette` as in `png_of`."""
    for i, stem in enumerate(stems(dataset)):
        data, ending = content(dataset.pixels, i)
        mask = png_of(dataset.targets_as(SemanticMasks).map(i), ids, palette)
        yield Written(stem, str(dataset.splits[i]), data, ending, mask)
