"""Text of the MOTChallenge: one box a line, `frame, id, left, top, width, height, ...`.

Source: Leal-Taixe et al., MOTChallenge 2015, arXiv 1504.01942 (7 or 10 columns); Milan et al., MOT16,
arXiv 1603.00831 (9 columns: flag, class and visibility follow the box).
"""

from __future__ import annotations

import configparser
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError

# No text matches a part of these in two ways; else a line that does not match takes exponential time.
_NUMBER = r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?"
_NEXT = r"(?:\s*,\s*|\s+)"
LINE = re.compile(rf"\s*\d+(\.0*)?{_NEXT}-?\d+(\.0*)?({_NEXT}{_NUMBER}){{5,8}}\s*(,\s*)?")
_GLANCE = 1 << 14
LEAST, MOST = 6, 10
"""Columns of a line."""
FORM = "frame,id,left,top,width,height, then perhaps a score or flag, class and visibility"
_EXACT = 2**53  # whole numbers below it are exact in float64


@dataclass(frozen=True)
class MotRows:
    """Rows of a file, in its order.

    Attributes:
        frames: (M,) int64, as in the file.
        ids: (M,) int64.
        boxes: (M, 4) float64 x1, y1, x2, y2.
        flags: (M,) float64 of column 7: score or flag; 1 where there is none.
        classes: (M,) int64 of column 8, where columns 8 and 9 are class and visibility; else -1.
        visibility: (M,) float64 of column 9 likewise; else None.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    flags: NDArray[np.float64]
    classes: NDArray[np.int64]
    visibility: NDArray[np.float64] | None


def looks_like_mot(path: Path) -> bool:
    """Whether a file begins with lines of boxes in frames."""
    try:
        with path.open("rb") as file:
            head = file.read(_GLANCE)
    except OSError:
        return False
    lines = head.decode("utf-8-sig", "replace").splitlines()
    lines = [line for line in lines[: -1 if len(head) == _GLANCE else None] if line.strip()]
    return bool(lines) and all(map(LINE.fullmatch, lines))


def read_mot(path: Path) -> MotRows:
    """Read a file of boxes; commas or spaces divide the columns.

    Raises:
        DataError: If a line is none, a number is not finite, a frame or identity is no whole number, or a
            frame lies before 0.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: the file cannot be read ({error}). Expected lines of {FORM}.") from error
    lines = text.replace(",", " ")
    try:
        values = (
            np.loadtxt(io.StringIO(lines), dtype=np.float64, ndmin=2) if lines.strip() else np.empty((0, 6))
        )
    except ValueError:
        raise DataError(_broken(path, lines)) from None
    if not LEAST <= values.shape[1] <= MOST:
        raise DataError(f"{path}: lines have {values.shape[1]} numbers. Expected 6 to 10: {FORM}.")
    whole = values[:, :2] == np.floor(values[:, :2])
    wrong = ~(np.isfinite(values[:, :6]).all(1) & whole.all(1) & (values[:, 0] >= 0))
    if wrong.any():
        k = int(wrong.argmax())
        raise DataError(
            f"{path}: row {k + 1} is frame {values[k, 0]:g}, identity {values[k, 1]:g}, box "
            f"{values[k, 2:6].tolist()}. Expected whole numbers for frame and identity, and finite numbers."
        )
    inexact = np.abs(values[:, :2]).max(1, initial=0) >= _EXACT
    if inexact.any():
        k = int(inexact.argmax())
        raise DataError(
            f"{path}: row {k + 1} is frame {values[k, 0]:g}, identity {values[k, 1]:g}. Expected numbers "
            "below 2**53, so that none is taken for its neighbor. Number the objects from 1."
        )
    columns, n = values.shape[1], len(values)
    corners = np.concatenate([values[:, 2:4], values[:, 2:4] + values[:, 4:6]], 1)
    has_class = columns in (8, 9)
    classes = values[:, 7].astype(np.int64) if has_class else np.full(n, -1)
    flags = values[:, 6] if columns > 6 else np.ones(n)
    frames, ids = (values[:, k].astype(np.int64) for k in (0, 1))
    return MotRows(frames, ids, corners, flags, classes, values[:, 8] if columns == 9 else None)


def _broken(path: Path, lines: str) -> str:
    """Message on the first line that is not as the others."""
    rows = [(number, line.split()) for number, line in enumerate(lines.splitlines(), 1)]
    rows = [row for row in rows if row[1]]
    columns = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != columns:
            return f"{path}, line {number}: {len(cells)} columns, and {columns} in the first line. Mend it."
        for cell in cells:
            try:
                float(cell)
            except ValueError:
                return f"{path}, line {number}: {cell!r} is no number. Expected {FORM}."
    return f"{path}: the file cannot be read as lines of {FORM}."


def refuse_repeated(rows: MotRows, path: Path) -> None:
    """Refuse two boxes of one identity in one frame.

    Raises:
        DataError: Names the first.
    """
    order = np.lexsort((rows.ids, rows.frames))
    pairs = np.stack([rows.frames, rows.ids], 1)[order]
    same = np.flatnonzero((pairs[1:] == pairs[:-1]).all(1))
    if len(same):
        frame, identity = pairs[same[0]].tolist()
        raise DataError(
            f"{path}: frame {frame} has identity {identity} twice ({len(same):,} such boxes in all). An "
            "identity is one object: give each box of a frame its own."
        )


@dataclass(frozen=True)
class SequenceFacts:
    """What seqinfo.ini says; 0, nan and "" where it says nothing."""

    name: str = ""
    length: int = 0
    rate: float = math.nan
    height: int = 0
    width: int = 0
    images: str = "img1"


def read_facts(path: Path) -> SequenceFacts:
    """Read seqinfo.ini; what is missing stays unknown.

    Raises:
        DataError: If it is broken.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        entry = parser["Sequence"]
        return SequenceFacts(
            entry.get("name", ""),
            int(entry.get("seqLength", "0")),
            float(entry.get("frameRate", "nan")),
            int(entry.get("imHeight", "0")),
            int(entry.get("imWidth", "0")),
            entry.get("imDir", "img1"),
        )
    except (OSError, configparser.Error, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: the file cannot be read ({error}). Expected a section [Sequence] with seqLength, "
            "frameRate, imWidth and imHeight."
        ) from error
