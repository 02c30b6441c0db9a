"""Values of table columns: one list of words for "missing", and one decision per column about numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sightline.errors import DataError

MISSING = frozenset(
    ("", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "null", "none", "nil", "\\n", "-", "--", "?", ".")
)
"""What stands for "no value", in lower case."""
DOUBTFUL = frozenset(("none", "nil"))
"""Words of these that are also names of classes, where the others are words too."""
ON, OFF = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
"""What says that something is so, and that it is not, in lower case."""
_INFINITE = ("inf", "-inf", "+inf", "infinity", "-infinity")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_SPACES = re.compile("(?<=\\d)[ \u00a0\u202f\u2009](?=\\d)")
# Between thousands, and before decimals, as they are written in one country or another.
_NOTATIONS = ((",", "."), (".", ","), (" ", "."), (" ", ","), ("'", "."), ("'", ","), ("\u2019", "."))
_SURE_COUNT = 2  # cells with three digits behind a point, beside cells without one: these may be thousands


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: One a cell; NaN where it is missing.
        note: How they are written, where it is not the plain way.
    """

    values: list[float]
    note: str = ""


def is_missing(cell: str) -> bool:
    """Whether a cell is a missing value."""
    return cell.lower() in MISSING


def filled(cells: Sequence[str]) -> list[str]:
    """The cells that hold something."""
    return [c for c in cells if not is_missing(c)]


def is_number(cell: str) -> bool:
    """Whether a cell is a number in some notation."""
    tidy = _tidy(cell)
    return bool(_PLAIN.match(tidy)) or any(_read([tidy], *marks) is not None for marks in _NOTATIONS)


def numbers(cells: Sequence[str], delimiter: str, where: str) -> Numbers | None:
    """Numbers of a column, or None if some cell is not a number.

    Decimal points and commas, and points, commas, spaces or apostrophes between thousands are told apart by
    all cells of the column together.

    Args:
        cells: The column.
        delimiter: What divides the cells of the file: a comma there makes one in a cell a mark of thousands.
        where: File and column, for messages.

    Raises:
        DataError: If the numbers can be read in two ways.
    """
    given = [_tidy(c) for c in filled(cells)]
    finite = [c for c in given if c.lower() not in _INFINITE]
    if not given:
        return None
    readings: dict[tuple[float, ...], str] = {}
    if all(_PLAIN.match(c) for c in finite):
        readings[tuple(map(float, finite))] = ""
    marks_used = {m for pair in _NOTATIONS for m in pair if any(m in c for c in finite)}
    for thousands, point in _NOTATIONS:
        if thousands not in marks_used and (point == "." or point not in marks_used):
            continue  # as the plain way
        if (values := _read(finite, thousands, point)) is not None:
            used = any(thousands in c for c in finite)
            comma = "decimal commas" if point == "," and any("," in c for c in finite) else ""
            marks = f"{thousands!r} between thousands" if used else ""
            readings.setdefault(values, " and ".join(t for t in (marks, comma) if t))
    if not readings:
        return None
    values, note = _chosen(readings, finite, delimiter, where)
    rest = iter(values)
    parsed = [_code_of(c, rest) for c in cells]
    return Numbers(parsed, f"written with {note}" if note else "")


def _tidy(cell: str) -> str:
    """A cell with plain spaces between digits and a plain minus."""
    return _SPACES.sub(" ", cell.replace("\u2212", "-"))


def _code_of(cell: str, rest: Iterator[float]) -> float:
    """The number of a cell; of those that are finite the next one."""
    if is_missing(cell):
        return math.nan
    return float(cell) if cell.lower() in _INFINITE else next(rest)


def _read(cells: Sequence[str], thousands: str, point: str) -> tuple[float, ...] | None:
    """The numbers by one notation, or None where a cell is not written in it."""
    mark, dot = re.escape(thousands), re.escape(point)
    form = re.compile(rf"[+-]?([1-9]\d{{0,2}}({mark}\d{{3}})+|\d+)({dot}\d+)?$")
    if not all(form.match(c) for c in cells):
        return None
    return tuple(float(c.replace(thousands, "").replace(point, ".")) for c in cells)


def _chosen(
    readings: dict[tuple[float, ...], str], cells: Sequence[str], delimiter: str, where: str
) -> tuple[tuple[float, ...], str]:
    """Choose one of two possible readings, for cells with one separator and three digits after it."""
    if len(readings) == 1:
        return next(iter(readings.items()))
    mark = "," if any("," in c for c in cells) else "."
    marked = [c for c in cells if mark in c]
    low, high = sorted(readings, key=lambda values: max(map(abs, values)))  # decimals, thousands
    whole = len(marked) < len(cells)  # decimals of a fixed length would be in all cells
    if mark == "," and delimiter in (",", "") and whole:
        return high, readings[high]
    if not (mark == "," and delimiter in (",", "")) and not (whole and len(marked) >= _SURE_COUNT):
        return low, readings[low]
    place = cells.index(marked[0])
    raise DataError(
        f"{where} holds {marked[0]!r}, which may be {high[place]:g} or {low[place]:g}; the other cells do "
        "not tell. Write numbers with a point before decimals and nothing between thousands."
    )
