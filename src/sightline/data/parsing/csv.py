"""Text tables (CSV): encoding, delimiter, header and broken rows are detected and reported."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.splits import is_there
from sightline.errors import DataError

_DELIMITERS = (";", "\t", "|", ",")
"""The comma last: of several that fit alike it may be that of decimals."""
_GLANCE = 1 << 16
"""Bytes of a file that its header is looked for in."""
_SOME = 20
"""Lines that tell the delimiter."""
_SEP = re.compile(r'"?sep=(.|\\t)"?[,;\t]*$', re.IGNORECASE)


@dataclass
class Columns:
    """A table as text.

    Attributes:
        names: Column names, in order.
        rows: One list of cells a row, as many as names.
        lines: Line (or row) number of each row in the file, for messages.
        broken: Lines with another number of cells; left out.
        delimiter: What stood between the cells; "" for a binary table.
        messages: What was found out.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    broken: list[int] = field(default_factory=list)
    delimiter: str = ""
    messages: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """All cells of one column."""
        j = self.names.index(name)
        return [row[j] for row in self.rows]


def header(path: Path) -> list[str]:
    """Names of the columns of a text table, by its beginning; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_GLANCE)
    except OSError:
        return []
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace")
    lines, _, delimiter = _layout(text, path)
    first = next(csv.reader(lines[:1], delimiter=delimiter, skipinitialspace=True), []) if delimiter else []
    return [name.strip() for name in first]


def is_spaced(path: Path) -> bool:
    """Whether a text file is a table with a header, whose cells are divided by spaces; see `_spaced`."""
    try:
        with path.open("rb") as file:
            head = file.read(_GLANCE).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return _spaced(head.rpartition("\n")[0] or head) is not None


def _spaced(text: str) -> Columns | None:
    """A table of CelebA's kind: perhaps a count of its rows, names of columns, and rows that begin with or
    hold an image, divided by spaces; where there is a cell more than names the first is the image. None
    for other text."""
    given = [(n, line.split()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    counted = bool(given) and len(given[0][1]) == 1 and given[0][1][0].isdigit()
    (_, names), *rows = given[counted:] or [(0, [])]
    some = [cells for _, cells in rows[:_SOME]]
    widths = {len(cells) for cells in some}
    if len(widths) != 1 or not {len(names), len(names) + 1} & widths or any(map(_names_image, names)):
        return None
    width = widths.pop()
    if width < 2 or not all(any(map(_names_image, cells)) for cells in some):
        return None
    sound = [(n, cells) for n, cells in rows if len(cells) == width]
    table = Columns(
        ["path", *names][-width:],
        [cells for _, cells in sound],
        [n for n, _ in sound],
        [n for n, cells in rows if len(cells) != width],
        " ",
        ["Cells are divided by spaces."],
    )
    if counted and int(given[0][1][0]) != len(rows):
        table.messages.append(f"The first line counts {given[0][1][0]} rows; there are {len(rows):,}.")
    return table


def _names_image(cell: str) -> bool:
    return Path(cell).suffix.lower() in ALL_EXTENSIONS


def rows_of(text: str, path: Path) -> list[list[str]]:
    """All rows of a small table, its header too, for tables that may have none."""
    lines, _, delimiter = _layout(text, path)
    reader = csv.reader(lines, delimiter=delimiter or ",", skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in reader if row]


def read_text(path: Path) -> Columns:
    """Read CSV or TSV.

    Raises:
        DataError: If it is no text in UTF-8 or UTF-16, empty, has one column only, no header, or a quote that
            is not closed.
    """
    text, notes = _text(path)
    spaced = _spaced(text) if path.suffix.lower() == ".txt" else None
    return spaced or _delimited(path, text, notes)


def _delimited(path: Path, text: str, notes: list[str]) -> Columns:
    """See `read_text`."""
    lines, skipped, delimiter = _layout(text, path)
    if not lines:
        raise DataError(f"{path}: the table is empty. Expected a header like path,label and rows below it.")
    if not delimiter:
        raise DataError(
            f"{path}: the header '{lines[0][:80].strip()}' has one column. Expected at least a path and a "
            "label, with ',', ';', tab or '|' between them."
        )
    table = Columns([], [], [], delimiter=delimiter, messages=notes)
    source = io.StringIO("".join(lines), newline="")
    reader = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        table.names = [name.strip() for name in next(reader)]
        _must_be_header(path, table.names)
        for row in reader:
            if not row or not any(cell.strip() for cell in row):
                continue
            if len(row) != len(table.names):
                table.broken.append(skipped + reader.line_num)
                continue
            table.rows.append([cell.strip() for cell in row])
            table.lines.append(skipped + reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path}: line {skipped + reader.line_num} cannot be read ({error}). Look for a quote before "
            "it that is not closed; one inside of a cell is written twice."
        ) from error
    _without_empty(table)
    twice = sorted({n for n in table.names if table.names.count(n) > 1})
    if twice:
        raise DataError(f"{path}: the columns {', '.join(map(repr, twice))} are there twice. Rename one.")
    if table.broken and not table.rows:
        raise DataError(
            f"{path}: the header has {len(table.names)} cells ({', '.join(table.names)}), and no row has "
            f"as many (first: line {table.broken[0]}). Name each column, and quote cells with {delimiter!r}."
        )
    if delimiter != ",":
        notes.append(f"Cells are divided by {'a tab' if delimiter == chr(9) else repr(delimiter)}.")
    return table


def _layout(text: str, path: Path) -> tuple[list[str], int, str]:
    """Lines from the header on, how many are above it, and the delimiter; "" where the header has none."""
    lines = text.splitlines(keepends=True)
    skipped = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    declared = _SEP.match(lines[skipped].strip(" \r\n")) if skipped < len(lines) else None
    if declared:  # Excel's own line; it is no row
        lines, above = lines[skipped + 1 :], skipped + 1
        return lines, above, declared[1].replace("\\t", "\t")
    lines = lines[skipped:]
    if not lines:
        return [], skipped, ""
    if path.suffix.lower() == ".tsv" and "\t" in lines[0]:
        return lines, skipped, "\t"
    delimiter = max(_DELIMITERS, key=lambda mark: _fit(lines[:_SOME], mark))
    return lines, skipped, delimiter if delimiter in lines[0] else ""


def _fit(lines: Sequence[str], delimiter: str) -> tuple[bool, float, int]:
    """Score of a delimiter: whether it is in the header, in how many rows as often, how often."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return False, 0.0, 0
    cells = len(rows[0]) if rows else 0
    return cells > 1, sum(len(row) == cells for row in rows) / max(len(rows), 1), cells


_COLUMNS = {
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "images",
    "img",
    "picture",
    "photo",
    "id",
    "name",
}
_COLUMNS |= {"mask", "label", "class", "target"}


def _must_be_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a first line that is a data row: it would be lost.

    Raises:
        DataError: If one of its cells is an image.
    """
    for name in names:
        at = name.replace("\\", "/")
        is_image = Path(at).suffix.lower() in ALL_EXTENSIONS
        if name.lower() in _COLUMNS:  # the name of a column, whatever files lie there
            continue
        if name and (is_image or any(is_there(path.parent / f"{at}{e}") for e in ("", ".jpg", ".png"))):
            raise DataError(
                f"{path}: there is no header: the first line holds the image '{name}'. Put a line with the "
                "names of the columns above it, such as path,label (or path,xmin,ymin,xmax,ymax,class)."
            )


def _without_empty(table: Columns) -> None:
    """Leave out columns without a name and without a cell: commas at the ends of lines."""
    empty = [j for j, n in enumerate(table.names) if not n and not any(row[j] for row in table.rows)]
    if empty:
        table.names = [n for j, n in enumerate(table.names) if j not in empty]
        table.rows = [[c for j, c in enumerate(row) if j not in empty] for row in table.rows]
        table.messages.append("Columns without a name and without cells were left out.")


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, and what was found out on the way."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        kind = "UTF-16, though it begins so" if wide else "UTF-8"
        raise DataError(
            f"{path}: line {line} is not {kind} (byte {data[error.start]:#04x}); it looks like Latin-1 or "
            f"Windows-1252. Save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv"
        ) from error
    if "\0" in text:
        raise DataError(f"{path}: holds NUL bytes, so it is no text table. Expected CSV, TSV or Parquet.")
    return text, ["The table is in UTF-16."] if wide else []
