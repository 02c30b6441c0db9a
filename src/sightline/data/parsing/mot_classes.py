"""Classes of MOTChallenge, and what scoring does with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.core.dataset import Classes
from sightline.core.targets.tracks import DISTRACTOR, OTHER_CLASS
from sightline.errors import DataError

MOT_CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non-motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
    "crowd",
)  # fmt: skip
"""Classes 1 to 13 of MOT16, MOT17 and MOT20."""
DISTRACTORS = {16: (2, 7, 8, 12), 20: (2, 6, 7, 8, 12)}
"""Classes whose boxes are not scored, nor the predictions on them."""
_MOT = re.compile(r"(?:^|/)MOT(16|17|20)(?!\d)", re.IGNORECASE)


def rules_of(place: Path) -> int:
    """16 or 20 where the path of a sequence says MOT16, MOT17 or MOT20, so that their rules hold; else 0."""
    names = _MOT.findall(place.resolve().as_posix())
    return 0 if not names else 20 if names[-1] == "20" else 16


def classes_of(
    numbers: Sequence[NDArray[np.int64]], tables: Sequence[tuple[str, ...] | None], rules: Sequence[int]
) -> tuple[Classes | None, list[str]]:
    """Class table of some sequences, and what to say of it.

    Args:
        numbers: Of the classes of the boxes of each sequence; -1 where none is given.
        tables: Names of classes 1, 2, ... of each sequence (labels.txt), or None.
        rules: See `rules_of`.

    Returns:
        The table; None where there is one class at most.

    Raises:
        DataError: If tables differ, or boxes have a class that the table does not.
    """
    present = sorted({int(c) for part in numbers for c in np.unique(part)} - {-1})
    named = {table for table in tables if table is not None}
    if len(named) > 1:
        raise DataError(f"Files labels.txt name different classes: {' and '.join(map(str, sorted(named)))}.")
    if named:
        names = named.pop()
        _all_in(present, len(names), "labels.txt")
        return Classes(names, tuple(range(1, len(names) + 1))), []
    if not set(present) - {1}:
        return None, []
    if all(rules):
        _all_in(present, len(MOT_CLASSES), "MOT16 to MOT20")
        text = "Classes are those of MOT16 to MOT20: pedestrian (1) is scored, other classes are not."
        return Classes(MOT_CLASSES, tuple(range(1, len(MOT_CLASSES) + 1))), [text]
    shown = ", ".join(map(str, present))
    text = (
        f"Boxes have classes {shown}; all are scored. A file gt/labels.txt names them, one a line. (In "
        "folders whose path says MOT16, MOT17 or MOT20, class 1 alone is scored.)"
    )
    return Classes(tuple(f"class {number}" for number in present), tuple(present)), [text]


def _all_in(present: Sequence[int], most: int, table: str) -> None:
    wrong = [number for number in present if not 1 <= number <= most]
    if wrong:
        raise DataError(f"Boxes have class {wrong[0]}. The classes of {table} are 1 to {most}.")


def roles_of(classes: NDArray[np.int64], mot: int) -> NDArray[np.int64]:
    """(M,) role of each box, given its class and the rules that hold."""
    roles = np.zeros(len(classes), dtype=np.int64)
    if mot:
        roles[classes > 1] = OTHER_CLASS
        roles[np.isin(classes, DISTRACTORS[mot])] = DISTRACTOR
    return roles
