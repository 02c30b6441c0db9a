"""Lists of pairs of images: the form of LFW's pairs.txt, and rows of fold, first, second, same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.data.io.file_types import EXTENSIONS
from sightline.errors import DataError

HEADER = ("fold", "first", "second", "same")
_SHOWN = 5
_ENDINGS = tuple(sorted({ending for endings in EXTENSIONS.values() for ending in endings}))
_WORDS = {"1": True, "true": True, "yes": True, "same": True, "0": False, "false": False, "no": False,
          "different": False}  # fmt: skip


@dataclass(frozen=True)
class ImagePair:
    """A pair of a list.

    Attributes:
        fold: Number or name of its fold.
        first: The one file.
        second: The other file.
        same: Whether both show the same identity.
        line: Of the list, from 1.
    """

    fold: str
    first: Path
    second: Path
    same: bool
    line: int


def read_pairs(file: Path, root: Path | None) -> list[ImagePair]:
    """Read a list of pairs.

    Args:
        file: Lines of fold, first, second, same (1 or 0), by spaces, tabs or commas, with or without header;
            or LFW's pairs.txt: folds and pairs a fold, then lines "name 1 4" (same) and "name 1 other 2".
        root: Folder that the names are of; the folder of the list if None.

    Raises:
        DataError: If it cannot be read, files are missing, or a pair is of a file with itself.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: no list of pairs can be read there ({error}).") from error
    rows = [(n, re.split(r"[,;\t ]+", line.strip())) for n, line in enumerate(lines, 1) if line.strip()]
    folder = file.parent if root is None else root
    if rows and rows[0][1][:1] == [HEADER[0]]:
        rows = rows[1:]
    lfw = bool(rows) and len(rows[0][1]) <= 2 and all(cell.isdecimal() for cell in rows[0][1])
    pairs = _lfw(file, rows, folder) if lfw else _listed(file, rows, folder)
    if not pairs:
        raise DataError(f"{file} holds no pairs. Expected lines of {', '.join(HEADER)}, or LFW's pairs.txt.")
    _check(file, pairs, folder)
    return pairs


def _listed(file: Path, rows: Sequence[tuple[int, list[str]]], folder: Path) -> list[ImagePair]:
    pairs = []
    for n, cells in rows:
        same = _WORDS.get(cells[-1].lower())
        if len(cells) not in (3, 4) or same is None:
            raise DataError(
                f"{file}, line {n}: '{' '.join(cells)}' is no pair. Expected {', '.join(HEADER)}, such as "
                "1,anna/1.jpg,anna/2.jpg,1; or LFW's pairs.txt, which begins with the number of pairs."
            )
        fold, first, second = cells[:-1] if len(cells) == 4 else ("0", *cells[:2])
        pairs.append(ImagePair(fold, folder / first, folder / second, same, n))
    return pairs


def _lfw(file: Path, rows: Sequence[tuple[int, list[str]]], folder: Path) -> list[ImagePair]:
    head, rest = [int(cell) for cell in rows[0][1]], rows[1:]
    folds = head[0] if len(head) == 2 else 1
    pairs = []
    for k, (n, cells) in enumerate(rest):
        numbers = [cells[1], cells[3]] if len(cells) == 4 else cells[1:3]
        if len(cells) not in (3, 4) or not all(cell.isdecimal() for cell in numbers):
            raise DataError(
                f"{file}, line {n}: '{' '.join(cells)}' is no pair of LFW. Expected 'name 1 4' or 'name 1 "
                "other 2'."
            )
        names = (cells[0], cells[0]) if len(cells) == 3 else (cells[0], cells[2])
        first, second = (
            _image(folder, name, int(number)) for name, number in zip(names, numbers, strict=True)
        )
        pairs.append(ImagePair(str(k * folds // max(len(rest), 1)), first, second, len(cells) == 3, n))
    return pairs


def _image(folder: Path, name: str, number: int) -> Path:
    """File of an image of LFW, name/name_0004.jpg, with whatever ending there is."""
    plain = folder / name / f"{name}_{number:04d}"
    paths = (plain.with_name(plain.name + ending) for ending in (".jpg", *_ENDINGS))
    return next((path for path in paths if path.is_file()), plain.with_name(f"{plain.name}.jpg"))


def _check(file: Path, pairs: Sequence[ImagePair], folder: Path) -> None:
    """Refuse missing files, and pairs of a file with itself."""
    files = dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second))
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{file} names {len(missing):,} files that are not there: "
            f"{', '.join(missing[:_SHOWN])}{more}. They are "
            f"looked for below {folder}; name another folder: predict RUN FOLDER --pairs {file.name}."
        )
    itself = [str(pair.line) for pair in pairs if pair.first == pair.second]
    if itself:
        raise DataError(
            f"{file} pairs {len(itself):,} files with themselves (line {', '.join(itself[:_SHOWN])}), "
            "which says "
            "nothing. Take these lines out."
        )
