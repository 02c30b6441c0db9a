"""From the cells of a table to targets: labels, several labels, or numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from sightline.core.dataset import Classes
from sightline.core.targets.label import Label
from sightline.core.targets.number import Number
from sightline.errors import DataError

MISSING = ("", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity")
MOST_CLASSES = 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?$")
_PLURALS = ("labels", "tags", "classes", "categories")


@dataclass
class Truths:
    """What the target columns hold.

    Attributes:
        targets: One entry a row, also for rows that are missing (any value).
        missing: Rows without a usable truth.
        classes: Class table, for labels.
        outputs: Names of the numbers, for numbers.
        notes: How it was read, and why.
        empty: Rows of several labels with none, taken as none of the classes.
    """

    targets: Label | Number
    missing: np.ndarray
    classes: Classes | None = None
    outputs: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)


def truths(names: Sequence[str], cells: Sequence[Sequence[str]], wanted: str | None, where: str) -> Truths:
    """Read target columns.

    Several columns are one 0/1 column a class if all cells are 0 or 1, and numbers else. One column holds
    numbers if all cells are numeric, except that whole numbers of at most 20 different values, each there
    twice or more on average, are classes. A text column holds several labels an image where a cell has
    '|' (or ';' under a name of its own; or ',' under labels, tags, classes, categories). `wanted` overrules.

    Args:
        names: Names of the target columns.
        cells: The cells of each, as many lists as names.
        wanted: "label", "number" or None.
        where: File, for messages.

    Raises:
        DataError: If the cells are not what is wanted.
    """
    if len(names) > 1:
        flags = all(
            c in ("0", "1", "0.0", "1.0", "true", "false", "") for col in cells for c in map(str.lower, col)
        )
        return _flags(names, cells) if flags and wanted != "number" else _numbers(names, cells, where, [])
    column, notes = list(cells[0]), list[str]()
    if wanted != "label":
        column, notes = _decimal_points(column)
    if wanted == "number" or (wanted is None and _numeric(column)):
        if wanted is None and _few(column):
            found = _labels(names[0], column)
            found.notes.append(
                f"'{names[0]}' holds whole numbers of few values: classes. --task regress reads numbers."
            )
            return found
        found = _numbers(names, [column], where, notes)
        if wanted is None:
            found.notes.append(f"'{names[0]}' is numeric: numbers. --task classify reads classes.")
        return found
    return _several(names[0], list(cells[0])) or _labels(names[0], list(cells[0]))


def _value(cell: str) -> float:
    """The number in a cell; NaN where there is none."""
    if cell.lower() in MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _numeric(column: Sequence[str]) -> bool:
    filled = [c for c in column if c.lower() not in MISSING]
    return bool(filled) and not any(math.isnan(_value(c)) for c in filled)


def _few(column: Sequence[str]) -> bool:
    """Whether numbers look like class ids."""
    filled = [_value(c) for c in column if c.lower() not in MISSING]
    kinds = set(filled)
    return all(v == int(v) for v in kinds) and len(kinds) <= min(MOST_CLASSES, len(filled) / 2)


def _decimal_points(column: list[str]) -> tuple[list[str], list[str]]:
    """Cells with decimal commas as with points, if that is what they all hold."""
    filled = [c for c in column if c.lower() not in MISSING]
    if any("," in c for c in filled) and all(_DECIMAL_COMMA.match(c) for c in filled):
        return [c.replace(",", ".") for c in column], ["Commas in numbers were read as decimal points."]
    return column, []


def _numbers(names: Sequence[str], cells: Sequence[Sequence[str]], where: str, notes: list[str]) -> Truths:
    for name, column in zip(names, cells, strict=True):
        wrong = [c for c in column if c.lower() not in MISSING and math.isnan(_value(c))]
        if wrong:
            raise DataError(
                f"{where}: the column '{name}' holds {len(wrong)} cells that are no numbers "
                f"({', '.join(map(repr, wrong[:3]))}). Expected numbers; --task classify reads classes."
            )
    values = np.array([[_value(c) for c in column] for column in cells]).T.reshape(-1, len(names))
    missing = ~np.isfinite(values).all(axis=1)
    return Truths(
        Number(torch.from_numpy(values.astype(np.float32))), missing, outputs=tuple(names), notes=notes
    )


def _flags(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Truths:
    """One 0/1 column a class."""
    grid = np.array([[c.lower() for c in column] for column in cells], dtype=object).T
    value = np.isin(grid, ("1", "1.0", "true"))
    found = Truths(Label(torch.from_numpy(value)), (grid == "").any(axis=1), Classes(tuple(names)))
    found.notes.append(f"{len(names)} columns of 0 and 1: each is a class, and an image may have several.")
    return found


def _labels(name: str, column: Sequence[str]) -> Truths:
    """One label a row; whole numbers are class ids."""
    missing = np.array([c == "" or c.lower() == "nan" for c in column], dtype=bool)
    filled = [c for c, gone in zip(column, missing, strict=True) if not gone]
    notes = []
    if filled and all(re.fullmatch(r"[+-]?\d{1,9}(\.0)?", c) for c in filled):
        ids = sorted({int(float(c)) for c in filled})
        if len({*filled}) > len(ids):
            notes.append(f"'{name}': numbers that are written in several ways (1, 01, 1.0) are one class.")
        table = Classes(tuple(map(str, ids)), tuple(ids))
        index = {i: k for k, i in enumerate(ids)}
        values = [0 if gone else index[int(float(c))] for c, gone in zip(column, missing, strict=True)]
    else:
        table = Classes(tuple(sorted({*filled})))
        place = {n: k for k, n in enumerate(table.names)}
        values = [0 if gone else place[c] for c, gone in zip(column, missing, strict=True)]
    return Truths(Label(torch.tensor(values, dtype=torch.int64)), missing, table, notes=notes)


def _several(name: str, column: Sequence[str]) -> Truths | None:
    """Several labels a row, or None where no cell has a separator."""
    plural = name.lower() in _PLURALS
    separators = ("|", ";", ",") if plural else ("|", ";")
    separator = next((s for s in separators if any(s in c for c in column)), None)
    if separator is None:
        return None
    rows = [[part.strip() for part in cell.split(separator) if part.strip()] for cell in column]
    names = tuple(sorted({part for row in rows for part in row}))
    place = {n: k for k, n in enumerate(names)}
    value = np.zeros((len(rows), len(names)), dtype=bool)
    for i, row in enumerate(rows):
        value[i, [place[part] for part in row]] = True
    found = Truths(Label(torch.from_numpy(value)), np.zeros(len(rows), dtype=bool), Classes(names))
    found.empty = [i for i, row in enumerate(rows) if not row]
    found.notes.append(f"'{name}' holds several labels in a cell, divided by '{separator}'.")
    return found
