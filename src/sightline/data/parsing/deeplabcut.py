"""DeepLabCut's tables: several header rows, and the path of a frame in one to three columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from sightline.data.parsing.cells import is_missing, is_number, numbers
from sightline.data.parsing.csv import rows_of
from sightline.errors import DataError

_ROWS = ("scorer", "individuals", "bodyparts", "coords")
_AXES = ("x", "y")
_LIKELIHOOD = "likelihood"


@dataclass(frozen=True)
class Sheet:
    """One table.

    Attributes:
        path: The file.
        scorer: Who has labeled it.
        individuals: K names, or one "" where the table has none.
        bodyparts: J names.
        places: Folders and file of each of N frames.
        xy: (N, K, J, 2) pixels; NaN where a point is not labeled.
    """

    path: Path
    scorer: str
    individuals: tuple[str, ...]
    bodyparts: tuple[str, ...]
    places: list[tuple[str, ...]]
    xy: NDArray[np.float64]


def is_sheet(path: Path) -> bool:
    """Whether a CSV file begins with the rows of such a table."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            head = "".join(line for _, line in zip(range(len(_ROWS)), file, strict=False))
    except OSError:
        return False
    starts = [row[0].lower() for row in rows_of(head, path)]
    return starts[:1] == ["scorer"] and {"bodyparts", "coords"} <= {*starts}


def read_sheet(path: Path) -> Sheet:
    """Read a table.

    Raises:
        DataError: If it cannot be read, has two scorers, holds predictions, or a cell is no number.
    """
    try:
        rows = rows_of(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV table ({error}).") from error
    head = {row[0].strip().lower(): row for row in rows[:4] if row and row[0].strip().lower() in _ROWS}
    lacking = [name for name in ("scorer", "bodyparts", "coords") if name not in head]
    if lacking:
        raise DataError(f"{path}: has no row {' and no row '.join(lacking)}. Expected DeepLabCut's header.")
    coords = [cell.strip().lower() for cell in head["coords"]]
    if _LIKELIHOOD in coords:
        raise DataError(
            f"{path}: has a column likelihood, so it holds predictions of a model, which are no targets. "
            "Name CollectedData_SCORER.csv, or correct the points and save them as such."
        )
    first = next((k for k, cell in enumerate(coords) if cell in _AXES), len(coords))
    columns = _columns(path, head, first)
    body = [row for row in rows[len(head) :] if any(cell.strip() for cell in row)]
    wrong = next((row for row in body if len(row) != len(coords)), None)
    if wrong is not None:
        raise DataError(
            f"{path}: the row of '{'/'.join(wrong[:first])}' has {len(wrong)} cells, the header has "
            f"{len(coords)}."
        )
    individuals = tuple(dict.fromkeys(who for who, _, _ in columns))
    parts = tuple(dict.fromkeys(name for _, name, _ in columns))
    xy = np.full((len(body), len(individuals), len(parts), 2), np.nan)
    values = _numbers(path, [row[first:] for row in body], columns)
    for column, (who, name, axis) in enumerate(columns):
        xy[:, individuals.index(who), parts.index(name), _AXES.index(axis)] = values[:, column]
    scorer = head["scorer"][first].strip()
    return Sheet(path, scorer, individuals, parts, [_place(row[:first]) for row in body], xy)


def _columns(path: Path, head: dict[str, list[str]], first: int) -> list[tuple[str, str, str]]:
    """Individual, body part and axis of each column of numbers.

    Raises:
        DataError: If there are two scorers, or a column is there twice or no x or y.
    """
    scorers = sorted({cell.strip() for cell in head["scorer"][first:]})
    if len(scorers) > 1:
        raise DataError(
            f"{path}: two scorers have labeled it ({', '.join(scorers)}). Keep the columns of one."
        )
    names, axes = head["bodyparts"][first:], head["coords"][first:]
    people = head.get("individuals", [""] * (first + len(names)))[first:]
    columns = [
        (who.strip(), name.strip(), axis.strip().lower())
        for who, name, axis in zip(people, names, axes, strict=False)
    ]
    odd = [c for c in columns if c[2] not in _AXES or not c[1] or columns.count(c) > 1]
    if odd or not columns or not len(people) == len(names) == len(axes):
        raise DataError(
            f"{path}: each body part needs one column x and one column y in the rows bodyparts and coords. "
            f"Found {' '.join(odd[0]).strip() if odd else 'rows of different length'}."
        )
    return columns


def _place(cells: Sequence[str]) -> tuple[str, ...]:
    """Folders and file of a frame, from cells with slashes of any system."""
    return tuple(word for cell in cells for word in cell.strip().replace("\\", "/").split("/") if word)


def _numbers(
    path: Path, rows: Sequence[Sequence[str]], columns: Sequence[tuple[str, str, str]]
) -> NDArray[np.float64]:
    """(N, C) numbers of the cells, in one notation for all of them; NaN where one is empty.

    Raises:
        DataError: Names the first cell that is no number.
    """
    cells = [cell for row in rows for cell in row]
    try:  # DeepLabCut's own way; programs that saved the table again may have another
        values = [np.nan if is_missing(cell) else float(cell) for cell in cells]
    except ValueError:
        values = _in_notation(path, rows, columns, cells)
    return np.array(values, dtype=np.float64).reshape(len(rows), len(columns))


def _in_notation(
    path: Path, rows: Sequence[Sequence[str]], columns: Sequence[tuple[str, str, str]], cells: Sequence[str]
) -> list[float]:
    """See `_numbers`."""
    read = numbers(cells, ";", str(path))
    if read is not None:
        return read.values
    odd = ((c, name) for row in rows for c, (_, name, _) in zip(row, columns, strict=True))
    wrong = next(((c, name) for c, name in odd if not is_missing(c) and not is_number(c)), None)
    if wrong is None:
        raise DataError(f"{path}: numbers are written in several ways. Write decimals with a point.")
    raise DataError(f"{path}: '{wrong[0]:.40}' of body part {wrong[1]} is no number.")


def skeleton_limbs(table: Path, names: Sequence[str]) -> list[tuple[int, int]]:
    """Connected points as the config.yaml of the project of a table has them; none where there is none."""
    try:
        data = yaml.load((table.parents[2] / "config.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    except (OSError, ValueError, IndexError, RecursionError, yaml.YAMLError):
        return []
    pairs = data.get("skeleton") if isinstance(data, dict) else None
    places = {name: j for j, name in enumerate(names)}
    return [
        (places[pair[0]], places[pair[1]])
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, str) and n in places for n in pair)
    ]
