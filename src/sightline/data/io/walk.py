"""Paths from the user, and which files of a folder count. Standard library only, for the runtime.

One rule holds for every folder: hidden files, and files that systems and programs leave behind, are not
images. They are counted and reported.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import DataError, UsageError

_LEFT_BEHIND = frozenset({
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
    "__macosx", "icon\r",  # macOS; its "._x.jpg" and ".DS_Store" are hidden
    "@eadir", "#recycle", "#snapshot", "lost+found",  # storage boxes: @eaDir holds small copies of images
    "__pycache__",
})  # fmt: skip


def foreign(name: str) -> bool:
    """Whether a file or folder of this name is left out where folders are walked: hidden ("._a.jpg",
    ".ipynb_checkpoints"), or left behind by a system or program ("Thumbs.db", "__MACOSX", "@eaDir")."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def walk(folder: Path, left: list[Path] | None = None) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, sorted, without what is foreign and without going into it; links to folders are named
    among the folders and not followed.

    Args:
        folder: Where to begin. Its own name is not judged: who names a hidden folder means it.
        left: What was left out is added, if given: a file, or a folder as one.

    Raises:
        DataError: If a folder cannot be listed.
    """
    for top, folders, files in os.walk(folder, onerror=_unlisted):
        if left is not None:
            left += [Path(top, name) for name in sorted([*folders, *files]) if foreign(name)]
        folders[:] = sorted(name for name in folders if not foreign(name))
        yield Path(top), folders, sorted(name for name in files if not foreign(name))


def files_below(folder: Path, left: list[Path] | None = None) -> list[Path]:
    """All files below a folder that are not foreign, sorted; see `walk`."""
    return sorted(top / name for top, _, names in walk(folder, left) for name in names)


def files_in(folder: Path, *endings: str) -> list[Path]:
    """Files of a folder itself with one of some endings (".json"), in any case, that are not foreign, sorted;
    none where there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if e.is_file() and not foreign(e.name)]
    return [folder / name for name in sorted(names) if name.lower().endswith(endings)]


def describe_skipped(left: Sequence[Path]) -> str:
    """A sentence about ignored files, with up to three names; empty if there are none."""
    if not left:
        return ""
    names = list(dict.fromkeys(path.name for path in left))
    some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    what = (
        "1 hidden or foreign entry was" if len(left) == 1 else f"{len(left)} hidden or foreign entries were"
    )
    return f"{what} left out ({some})."


def globbed(pattern: str, left: list[Path]) -> list[Path]:
    """Files that a glob matches, sorted, without those that are foreign in a part that the glob left open.

    A folder that is called like a pattern ("photos[1]") is that folder.

    Args:
        pattern: As of `glob.glob`, "**" being any folders.
        left: What was left out is added.
    """
    parts = Path(pattern).parts
    fixed = 0
    while fixed < len(parts) - 1 and Path(*parts[: fixed + 1]).is_dir():
        fixed += 1
    escaped = str(Path(*(glob.escape(part) for part in parts[:fixed]), *parts[fixed:]))
    paths = [path for path in map(Path, sorted(glob.glob(escaped, recursive=True))) if path.is_file()]
    if any(map(foreign, parts[fixed:])):  # it names what is foreign itself ("__MACOSX/*.jpg")
        return paths
    out = [path for path in paths if any(map(foreign, path.parts[fixed:]))]
    left += out
    return [path for path in paths if path not in set(out)]


def home(path: str) -> str:
    """The path with "~" or "~name" at its start replaced by that home folder, as a shell does.

    Raises:
        UsageError: If there is no such home: a folder called "~" would be made.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        name = Path(path).parts[0]
        raise UsageError(
            f"{path}: there is no home folder of {name}. Write the whole path, or ./{path} if it is a name."
        ) from None


def _unlisted(error: OSError) -> None:
    raise DataError(
        f"{error.filename}: the folder cannot be listed ({error.strerror}). Let it be read, or move it away."
    ) from error
