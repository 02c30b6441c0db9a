"""Text tables as columns of text: encoding, delimiter and broken rows are found out and told."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from sightline.errors import DataError

_DELIMITERS = (",", ";", "\t", "|")


@dataclass
class Columns:
    """A table as text.

    Attributes:
        names: Column names, in order.
        rows: One list of cells a row, as many as names.
        lines: Line (or row) number of each row in the file, for messages.
        broken: Lines with another number of cells; left out.
        delimiter: What stood between the cells; "" for a binary table.
        notes: What was found out.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    broken: list[int] = field(default_factory=list)
    delimiter: str = ""
    notes: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """All cells of one column."""
        j = self.names.index(name)
        return [row[j] for row in self.rows]


def read_text(path: Path) -> Columns:
    """Read CSV or TSV.

    Raises:
        DataError: If it is no text in UTF-8 or UTF-16, empty, or has one column only.
    """
    text, notes = _text(path)
    lines = text.splitlines()
    if not lines:
        raise DataError(f"{path}: the table is empty. Expected a header like path,label and rows below it.")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=lines[0].count)
    if delimiter not in lines[0]:
        raise DataError(
            f"{path}: the header '{lines[0][:80]}' has one column. Expected at least a path and a label, "
            "with ',', ';', tab or '|' between them."
        )
    table = Columns([], [], [], delimiter=delimiter, notes=notes)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        table.names = [name.strip() for name in next(reader)]
        for row in reader:
            if not row or not any(cell.strip() for cell in row):
                continue
            if len(row) != len(table.names):
                table.broken.append(reader.line_num)
                continue
            table.rows.append([cell.strip() for cell in row])
            table.lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read ({error}).") from error
    twice = sorted({n for n in table.names if table.names.count(n) > 1})
    if twice:
        raise DataError(f"{path}: the columns {', '.join(map(repr, twice))} are there twice. Rename one.")
    if delimiter != ",":
        notes.append(f"Cells are divided by {'a tab' if delimiter == chr(9) else repr(delimiter)}.")
    return table


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, and what was found out on the way."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), ["The table is in UTF-16."]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte {data[error.start]:#04x}); it looks like Latin-1 or "
            f"Windows-1252. Save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv"
        ) from error
    if "\0" in text:
        raise DataError(f"{path}: holds NUL bytes, so it is no text table. Expected CSV, TSV or Parquet.")
    return text, []
