"""Conversion of table cells to targets: labels, several labels, or numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sightline.core.dataset import Classes
from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.parsing.cells import DOUBTFUL, MISSING, OFF, ON, filled, is_number, numbers
from sightline.data.parsing.label_lists import PLURALS, divider, undivided
from sightline.errors import DataError

MOST_CLASSES = 20
_WHOLE = re.compile(r"[+-]?\d{1,9}(\.0+)?$")
_UNIT = re.compile(r"^[$€£¥]\s*|\s*[%$€£¥°]$")
_SIGNS = ("1", "1.0", "-1", "-1.0")
"""What says that something is so, and that it is not, where both signs are written (CelebA)."""
_LIKE_CLASSES = re.compile(
    r"(class|label|category|categories|target|y)([_ -]?(id|index|idx|no|nr|number|code))?$"
)
"""Names of columns whose whole numbers are those of classes, however many, if they repeat."""


@dataclass
class TargetBuilder:
    """Targets of the target columns.

    Attributes:
        targets: Of a kind that does not lie in the image: one entry a row, also for rows that are missing.
        missing: Rows without a usable target.
        classes: Class table, for labels.
        outputs: Names of the numbers, for numbers.
        messages: How it was read, and why.
        empty: Rows of several labels with none, taken as none of the classes.
        read_findings: What is in doubt.
    """

    targets: Any
    missing: np.ndarray
    classes: Classes | None = None
    outputs: tuple[str, ...] = ()
    messages: list[str] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    read_findings: list[Finding] = field(default_factory=list)


def parse_targets(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    wanted: str | None,
    where: str,
    delimiter: str = ",",
    mark: str = "",
) -> TargetBuilder:
    """Read target columns.

    Several columns are one 0/1 column a class if all cells are 0 or 1 (true, false, yes, no; or all are 1 or
    -1), and numbers else. One column holds numbers if all cells are numeric, with three exceptions, which are
    classes: whole numbers of at most 20 different values, each there twice or more on average; whole numbers
    that repeat in a column called class, label or the like; and numbers with leading zeros. A text column
    holds several labels an image where a cell has '|' (or ';' under a name of its own; or ',' under labels,
    tags, classes, categories), or a mark that was said. `wanted` overrules.

    Args:
        names: Names of the target columns.
        cells: The cells of each, as many lists as names.
        wanted: "label", "number" or None.
        where: File, for messages.
        delimiter: What divides the cells in the file; see `_cells.numbers`.
        mark: What divides the labels in a cell, if it was said.

    Raises:
        DataError: If the cells are not what is wanted, or may be two things.
    """
    if len(names) > 1:
        return _columns(names, cells, wanted, where, delimiter)
    name, column = names[0], list(cells[0])
    if mark:
        return _several(name, column, mark)
    listed = name.lower() in PLURALS and any("," in c for c in column)
    if wanted == "label" or (wanted is None and listed):
        return _labels_of_rows(name, column)
    values = numbers(column, delimiter, f"{where}: the column '{name}'")
    if wanted == "number":
        return _numbers(names, cells, where, delimiter)
    if values is None:
        _must_be_words(name, column, where)
        return _labels_of_rows(name, column)
    why = _like_classes(name, column, values.values)
    if why:
        labels = _labels(name, column)
        labels.messages.append(f"'{name}' holds {why}: classes. --task regress reads numbers.")
        return labels
    result = _numbers(names, cells, where, delimiter)
    result.messages.append(f"'{name}' is numeric: numbers. --task classify reads classes.")
    if _LIKE_CLASSES.match(name.lower()) and all(_WHOLE.match(c) for c in filled(column)):
        what = f"the column '{name}' holds whole numbers of many values, read as numbers to be estimated"
        fix = "Say --task regress if that is meant, or --task classify if they are classes."
        result.read_findings.append(Finding("task-in-doubt", "warning", what, fix, 1, (name,)))
    return result


def _columns(
    names: Sequence[str], cells: Sequence[Sequence[str]], wanted: str | None, where: str, delimiter: str
) -> TargetBuilder:
    """Several columns: a class each, or numbers."""
    kinds = {c.lower() for column in cells for c in filled(column)}
    if wanted != "number" and (kinds <= {*ON, *OFF} or kinds <= {*_SIGNS}):
        return _flags(names, cells, signs="-1" in kinds or "-1.0" in kinds)
    if wanted is None and kinds <= {*ON, *OFF, "-1", "-1.0"}:
        raise DataError(
            f"{where}: the columns {', '.join(map(repr, names))} hold -1 beside 0 and 1. Where a class is "
            "unsure write 0, 1, or nothing; --task regress reads them as numbers."
        )
    return _numbers(names, cells, where, delimiter)


def is_flags(column: Sequence[str]) -> bool:
    """Whether a column says yes or no, as one column a class does."""
    kinds = {c.lower() for c in filled(column)}
    return bool(kinds) and (kinds <= {*ON, *OFF} or kinds <= {*_SIGNS})


def _like_classes(name: str, column: Sequence[str], values: Sequence[float]) -> str:
    """Why numbers are those of classes, in words; "" where they are not."""
    cells = filled(column)
    if not all(_WHOLE.match(c) for c in cells):
        kinds = {v for v in values if not math.isnan(v)}
        whole = all(math.isfinite(v) and v == int(v) for v in kinds)
        return "whole numbers of few values" if whole and _few(kinds, cells) else ""
    if _padded(cells):
        return "numbers with leading zeros"
    kinds = {float(c) for c in cells}
    if _few(kinds, cells):
        return "whole numbers of few values"
    repeated = len(kinds) <= len(cells) / 2 and min(kinds) >= 0
    return "whole numbers that repeat" if repeated and _LIKE_CLASSES.match(name.lower()) else ""


def _few(kinds: Collection[float], cells: Sequence[str]) -> bool:
    return len(kinds) <= min(MOST_CLASSES, len(cells) / 2)


def _padded(cells: Sequence[str]) -> bool:
    """Whether whole numbers have leading zeros, as names have that must all be of one length."""
    return all(c.isdigit() for c in cells) and any(len(c) > 1 and c[0] == "0" for c in cells)


def _must_be_words(name: str, column: Sequence[str], where: str) -> None:
    """Refuse a column of many numbers with a few words among them: they are no classes.

    Raises:
        DataError: If it is one.
    """
    cells = filled(column)
    right = {c for c in {*cells} if is_number(c)}
    wrong = [c for c in cells if c not in right]
    if len(right) > MOST_CLASSES and len(wrong) < len(cells) / 10:
        raise DataError(
            f"{where}: the column '{name}' holds numbers, and {len(wrong)} cells that are none "
            f"({', '.join(map(repr, wrong[:3]))}). Leave these empty; --task classify reads classes."
        )
    if len({*cells}) > MOST_CLASSES and all(is_number(_UNIT.sub("", c)) for c in {*cells}):
        raise DataError(
            f"{where}: the column '{name}' holds numbers with a sign beside them ({cells[0]!r}). Take it "
            "out of the cells; --task classify reads classes."
        )


def _numbers(
    names: Sequence[str], cells: Sequence[Sequence[str]], where: str, delimiter: str
) -> TargetBuilder:
    notes, columns = [], []
    for name, column in zip(names, cells, strict=True):
        parsed = numbers(column, delimiter, f"{where}: the column '{name}'")
        if parsed is None and filled(column):
            wrong = [c for c in filled(column) if not is_number(c)]
            what = f"{len(wrong)} cells that are no numbers" if wrong else "numbers in two notations"
            shown = ", ".join(map(repr, wrong[:3] or sorted({*column}, key=len)[-3:]))
            raise DataError(
                f"{where}: the column '{name}' holds {what} ({shown}). Expected numbers, all written alike; "
                "--task classify reads classes."
            )
        columns.append([math.nan] * len(column) if parsed is None else parsed.values)
        if parsed is not None and parsed.note:
            notes.append(f"'{name}': numbers {parsed.note}.")
    values = np.array(columns).T.reshape(-1, len(names))
    missing = ~np.isfinite(values).all(axis=1)
    return TargetBuilder(
        RegressionValues(torch.from_numpy(values.astype(np.float32))),
        missing,
        outputs=tuple(names),
        messages=notes,
    )


def _flags(names: Sequence[str], cells: Sequence[Sequence[str]], signs: bool) -> TargetBuilder:
    """One column a class: 0 and 1, or -1 and 1."""
    grid = np.array([[c.lower() for c in column] for column in cells], dtype=object).T
    value = np.isin(grid, ON)
    missing = np.asarray(np.isin(grid, tuple(MISSING)).any(axis=1))
    result = TargetBuilder(ClassLabels(torch.from_numpy(value)), missing, Classes(tuple(names)))
    values_text, absent = ("-1 and 1", "; -1 says that it has not") if signs else ("0 and 1", "")
    some = f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
    result.messages.append(
        f"{len(names)} columns of {values_text} ({some}): each is a class, and an image may have "
        f"several{absent}."
    )
    return result


def _labels(name: str, column: Sequence[str]) -> TargetBuilder:
    """One label a row; whole numbers are class ids, but for those with leading zeros."""
    ids = bool(filled(column)) and all(_WHOLE.match(c) for c in filled(column))
    words = MISSING if ids else MISSING - DOUBTFUL
    missing = np.array([c.lower() in words for c in column], dtype=bool)
    cells = [c for c, gone in zip(column, missing, strict=True) if not gone]
    notes = _missing_words(name, column, missing)
    numbered = {c: int(float(c)) for c in cells} if ids else {}
    alike = len({*numbered.values()}) < len(numbered)
    if ids and (alike or not _padded(cells)):
        if alike:
            notes.append(f"'{name}': numbers that are written in several ways (1, 01, 1.0) are one class.")
        order = sorted({*numbered.values()})
        table = Classes(tuple(map(str, order)), tuple(order))
        place = {c: order.index(i) for c, i in numbered.items()}
    else:
        table = Classes(tuple(sorted({*cells})))
        place = {n: k for k, n in enumerate(table.names)}
    values = [0 if gone else place[c] for c, gone in zip(column, missing, strict=True)]
    result = TargetBuilder(
        ClassLabels(torch.tensor(values, dtype=torch.int64)), missing, table, messages=notes
    )
    doubtful = Counter(c for c in cells if c.lower() in DOUBTFUL)
    if doubtful:
        doubtful_text = ", ".join(f"'{c}' ({n:,} rows)" for c, n in doubtful.items())
        what = f"the column '{name}' holds {doubtful_text}, a class or a word for no value; taken as a class"
        fix = "Accept it if that is a class. Else leave these cells empty, or take the rows out."
        doubt = Finding("label-may-be-missing", "error", what, fix, doubtful.total(), (*doubtful,))
        result.read_findings.append(doubt)
    return result


def _missing_words(name: str, column: Sequence[str], missing: np.ndarray) -> list[str]:
    """A note on the words that were taken for a missing label."""
    words = Counter(c for c, gone in zip(column, missing, strict=True) if gone and c)
    if not words:
        return []
    words_text = ", ".join(f"'{c}' ({n:,} rows)" for c, n in words.items())
    return [f"'{name}': {words_text} count as no value, not as a class."]


def _labels_of_rows(name: str, column: Sequence[str]) -> TargetBuilder:
    """Several labels per row if a separator is certain, else one."""
    mark = divider(name, column)
    if mark:
        return _several(name, column, mark)
    labels = _labels(name, column)
    assert labels.classes is not None
    labels.read_findings += undivided(name, labels.classes.names)
    return labels


def _several(name: str, column: Sequence[str], mark: str) -> TargetBuilder:
    """Several labels a row, with a mark between them."""
    words = MISSING - DOUBTFUL
    rows = [[part.strip() for part in cell.split(mark)] for cell in column]
    rows = [[part for part in row if part.lower() not in words] for row in rows]
    none = np.array([bool(c) and c.lower() in words for c in column], dtype=bool)
    names = tuple(sorted({part for row in rows for part in row}))
    place = {n: k for k, n in enumerate(names)}
    value = np.zeros((len(rows), len(names)), dtype=bool)
    for i, row in enumerate(rows):
        value[i, [place[part] for part in row]] = True
    notes = _missing_words(name, column, none)
    result = TargetBuilder(ClassLabels(torch.from_numpy(value)), none, Classes(names), messages=notes)
    result.empty = [i for i, row in enumerate(rows) if not row and not none[i]]
    mark_name = "spaces" if mark == " " else repr(mark)
    result.messages.append(f"'{name}' holds several labels in a cell, divided by {mark_name}.")
    return result
