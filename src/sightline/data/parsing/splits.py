"""Locations of the parts of a data set with boxes: annotations of each split, and the images beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from sightline.core.dataset import SPLITS
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_in, foreign
from sightline.errors import DataError

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Words that name a split, in names of folders and files, in columns and keys: the only such table."""
_MAX_LISTED = 200
"""Files of a folder that are looked at."""


def split_of(name: str) -> str:
    """Split that a word in a name stands for ("instances_val2017"), or ""."""
    splits = {SPLIT_WORDS[w] for w in re.findall(r"[a-z]+", name.lower()) if w in SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 else ""


def folders_in(folder: Path, names: Container[str] | None = None) -> list[Path]:
    """Folders in a folder, sorted; only those of some names in lower case, if these are given."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        paths = [Path(e.path) for e in entries if not foreign(e.name)]
    return sorted(f for f in paths if (names is None or f.name.lower() in names) and f.is_dir())


def split_folders(folder: Path) -> list[tuple[Path, str]]:
    """Folders in a folder that are named after a split, sorted, each with that split."""
    return [(f, SPLIT_WORDS[f.name.lower()]) for f in folders_in(folder, SPLIT_WORDS)]


def name_of(path: Path, root: Path) -> str:
    """Path below a folder as text, also where it is not UTF-8."""
    name = Path(os.path.relpath(path, root)).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_there(path: Path) -> bool:
    """Whether a path is a file; no for names that no file can have (too long)."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; no for names that no folder can have."""
    try:
        return path.is_dir()
    except OSError:
        return False


def in_any_case(path: Path) -> Path:
    """A path as it is on disk, if only the case of its names differs; as given where no single one fits."""
    if is_there(path) or is_folder(path) or path == path.parent:
        return path
    parent = in_any_case(path.parent)
    if not is_folder(parent):
        return path
    same = [entry for entry in parent.iterdir() if entry.name.lower() == path.name.lower()]
    return same[0] if len(same) == 1 else path


def file_beside(folder: Path, names: Iterable[str]) -> Path:
    """The first of some names that is a file in a folder or in its `images`; the first name where none is."""
    tried = [name.replace("\\", "/") for name in names]
    for base in (folder, folder / "images"):
        for name in tried:
            if is_there(base / name):
                return base / name
    return folder / tried[0]


def names_of(name: str) -> list[str]:
    """A name as those of files: as it is, and with each ending where it has none (ids of images)."""
    return [name, *([] if Path(name).suffix else [name + e for e in sorted(ALL_EXTENSIONS)])]


def annotation_files(
    root: Path, inner: Container[str], endings: tuple[str, ...], like: Callable[[Path], bool]
) -> list[Path]:
    """Annotation files: the named one, or all of a folder.

    Args:
        root: A file, or a folder.
        inner: Names, in lower case, of folders in it that they may lie in too.
        endings: What they end with.
        like: Whether a file looks as a format's do.
    """
    if root.is_file():
        return [root] if root.name.lower().endswith(endings) and like(root) else []
    folders = [root, *folders_in(root, inner)]
    return [path for folder in folders for path in files_in(folder, *endings)[:_MAX_LISTED] if like(path)]


def by_split(files: list[Path], root: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """The annotation files that are read, each with its split, and a note on those that are not.

    Args:
        files: All that could be read, one or more.
        root: The folder they were found in, or the one file that was named.

    Raises:
        DataError: If several could be meant.
    """

    def split(path: Path) -> str:
        return split_of(path.stem) or (split_of(path.parent.name) if path.parent != root else "")

    if len(files) == 1:
        return [(files[0], "" if root.is_file() else split(files[0]))], []
    splits = {path: split(path) for path in files}
    with_split = [path for path in files if splits[path]] or files
    if len({splits[path] for path in with_split}) < len(with_split):
        raise DataError(
            f"{root}: several annotations could be meant: {', '.join(name_of(p, root) for p in with_split)}. "
            "Name the file, or keep one for each of train, val and test."
        )
    with_split.sort(key=lambda path: SPLITS.index(splits[path]))
    aside = [name_of(path, root) for path in files if path not in with_split]
    return [(path, splits[path]) for path in with_split], [f"Not read: {', '.join(aside)}."] if aside else []
