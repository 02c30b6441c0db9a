"""Formats with one annotation file for each image, in any folders, and the splits that these folders
define.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sightline.data.io.walk import walk
from sightline.data.parsing.instances import numbers
from sightline.data.parsing.splits import SPLIT_WORDS

_LOOKS = 20  # files of an ending that are looked at to recognise a format
_WALK = 50_000  # files of any kind that are passed on the way there


def below(root: Path, ending: str, most: float = math.inf) -> Iterator[Path]:
    """Files below a folder with an ending, folder by folder, sorted; hidden ones are left aside.

    No further folder is entered after `most` files of any kind.
    """
    passed = 0
    for top, _, files in walk(root):
        yield from (top / name for name in files if name.lower().endswith(ending))
        passed += len(files)
        if passed > most:
            return


def some(root: Path, ending: str) -> Iterator[Path]:
    """The first files with an ending, for a cheap look."""
    return islice(below(root, ending, _WALK), _LOOKS)


def some_like(root: Path, ending: str, like: Callable[[Path], bool]) -> bool:
    """Whether one of the first files with an ending below a folder looks as a format's do."""
    return any(like(path) for path in some(root, ending))


def whole_size(height: Any, width: Any) -> tuple[int, int] | None:
    """(height, width) as JSON has them, or None where they are no whole numbers above 0."""
    given = numbers([height, width], 2)
    if given is None or not all(1 <= side < math.inf and side % 1 == 0 for side in given):
        return None
    return int(given[0]), int(given[1])


def split_below(path: Path, root: Path) -> str:
    """The split that a folder between a file and the root is named after, or ""."""
    words = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else path.parts[-2:-1]
    return next((SPLIT_WORDS[w.lower()] for w in words if w.lower() in SPLIT_WORDS), "")
