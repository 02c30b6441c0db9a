"""Class tables beside class maps: which numbers or colors stand for which classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline.core.dataset import Classes
from sightline.core.targets.masks import IGNORE_INDEX, MAX_CLASSES
from sightline.data.parsing.csv import rows_of
from sightline.data.parsing.json import read_json
from sightline.data.parsing.splits import is_there
from sightline.errors import DataError

FILES = (
    "classes.json", "classes.csv", "class_dict.csv", "labelmap.txt", "label_colors.txt", "classes.txt",
    "class_names.txt", "_classes.csv",
)  # fmt: skip
"""Names of table files; of several the first is read."""
VOID_NAMES = ("void", "ignore", "ignored", "ignoreregion", "unlabelled", "unlabeled", "dontcare", "donotcare")
"""Names, in letters only, of what is no class."""
EXPECTED = (
    "Expected lines 'id name' or names alone (classes.txt), or name,r,g,b with a header (classes.csv), "
    "or name:r,g,b:: (labelmap.txt), or r g b name (label_colors.txt)"
)
_COLUMNS = {
    "name": ("name", "class", "label", "class_name", "class name", "category"),
    "id": ("id", "index", "value", "class_id", "label_id", "class id", "pixel value"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
    "hex": ("hex", "color", "colour", "rgb"),
}


@dataclass(frozen=True)
class Entry:
    """One row of a table: a name, and what stands for it."""

    name: str
    id: int | None = None
    color: int | None = None


@dataclass(frozen=True)
class Table:
    """Class table of numbers and colors.

    Attributes:
        entries: The classes, in order.
        ids: Number of each.
        void: Numbers that stand for no class.
        void_colors: Colours that do, as 0xRRGGBB.
        counted: Whether the numbers are places in a list, and not written anywhere.
        source: Where the table is from, for messages.
        names: Names of what is void, for messages.
    """

    entries: tuple[Entry, ...]
    ids: tuple[int, ...]
    void: tuple[int, ...] = ()
    void_colors: tuple[int, ...] = ()
    counted: bool = False
    source: str = ""
    names: tuple[str, ...] = field(default=())

    @property
    def classes(self) -> Classes:
        """The class table of the data set."""
        return Classes(tuple(e.name for e in self.entries), self.ids)

    @property
    def colors(self) -> dict[int, int]:
        """Index of the class, or VOID, that each colour stands for; empty where the table has none."""
        by_color = {e.color: k for k, e in enumerate(self.entries) if e.color is not None}
        return {**by_color, **dict.fromkeys(self.void_colors, IGNORE_INDEX)} if by_color else {}

    @property
    def numbers(self) -> dict[int, int]:
        """Index of the class, or VOID, that each number stands for."""
        return {**{i: k for k, i in enumerate(self.ids)}, **dict.fromkeys(self.void, IGNORE_INDEX)}


def table_of(entries: Sequence[Entry], source: str, void: Iterable[int] = ()) -> Table:
    """Build the table from rows; those named void, ignore or similar are the ignore index.

    Raises:
        DataError: If an id or a colour stands for two rows, or there are no or too many classes.
    """
    counted = all(e.id is None for e in entries)
    # labelme lists what is ignored first, and begins to count after it
    start = -1 if counted and entries and entries[0].name == "__ignore__" else 0
    ids = [start + n if e.id is None else e.id for n, e in enumerate(entries)]
    for what, values in (("id", ids), ("colour", [e.color for e in entries if e.color is not None])):
        twice = sorted({v for v in values if values.count(v) > 1})
        if twice:
            shown = f"#{twice[0]:06x}" if what == "colour" else twice[0]
            raise DataError(f"{source}: the {what} {shown} stands for two classes. Give each its own.")
    bare = [re.sub(r"[^a-z]", "", e.name.lower()) in VOID_NAMES or i in void
            for e, i in zip(entries, ids, strict=True)]  # fmt: skip
    listed = [n for n, gone in enumerate(bare) if not gone]
    if not 0 < len(listed) <= MAX_CLASSES:
        raise DataError(f"{source}: lists {len(listed)} classes. Expected 1 to {MAX_CLASSES}. {EXPECTED}.")
    return Table(
        entries=tuple(entries[n] for n in listed),
        ids=tuple(ids[n] for n in listed),
        void=tuple({*(i for i, gone in zip(ids, bare, strict=True) if gone), *void}),
        void_colors=tuple(
            e.color for e, gone in zip(entries, bare, strict=True) if gone and e.color is not None
        ),
        counted=counted,
        source=source,
        names=tuple(f"{e.name} ({i})" for e, i, gone in zip(entries, ids, bare, strict=True) if gone),
    )


def find_table(folders: Iterable[Path]) -> tuple[Table | None, list[str]]:
    """The table file that lies in one of some folders, or None; and notes on it.

    Raises:
        DataError: If it cannot be understood.
    """
    files = [f / name for f in dict.fromkeys(folders) for name in FILES if is_there(f / name)]
    if not files:
        return None, []
    table = read_table(files[0])
    notes = [f"Classes are from {files[0].name}."]
    others = [p for p in files[1:] if p.read_bytes() != files[0].read_bytes()]
    if others:
        notes.append(f"Not read: {', '.join(p.name for p in others)}.")
    if table.names:
        notes.append(f"No class, by its name: {', '.join(table.names)}.")
    return table, notes


def read_table(path: Path) -> Table:
    """The table in a file, by its name and form.

    Raises:
        DataError: If it cannot be understood.
    """
    if path.suffix.lower() == ".json":
        return _json(path)
    lines = [line.strip() for line in _text(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.suffix.lower() == ".csv":
        entries = _csv(path, rows_of("\n".join(lines), path))
    elif lines and all(line.count(":") >= 3 for line in lines):
        entries = [_labelmap(path, line) for line in lines]
    else:
        entries = _listed(path, lines)
    return table_of(entries, str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error}). {EXPECTED}.") from error


def _listed(path: Path, lines: list[str]) -> list[Entry]:
    """Lines with numbers before the name (id; r g b; id r g b), or a colour after it, or names only."""
    rows = [_parts(line) for line in lines]
    forms = [len(numbers) for _, numbers in rows]
    usual = max(set(forms), key=forms.count, default=0)
    if usual == 0 or forms.count(usual) <= len(forms) / 2:
        return [Entry(line) for line in lines]
    odd = next((n for n, form in enumerate(forms) if form != usual), None)
    if odd is not None:
        raise DataError(f"{path}: '{lines[odd][:60]}' is not written as the other lines are. {EXPECTED}.")
    return [_entry(path, name, numbers) for name, numbers in rows]


def _parts(line: str) -> tuple[str, list[int]]:
    """Name and numbers of a line: one, three or four before the name, or three after it."""
    before = re.fullmatch(r"((?:\d+\s*[\s,;:]\s*){4}|(?:\d+\s*[\s,;:]\s*){3}|\d+\s*[\s,;:]\s*)(\D.*)", line)
    if before:
        return before[2].strip(), [int(v) for v in re.findall(r"\d+", before[1])]
    after = re.fullmatch(r"(.*\D)((?:[\s,;:]\s*\d+){3})", line)
    return (after[1].strip(), [int(v) for v in re.findall(r"\d+", after[2])]) if after else (line, [])


def _entry(path: Path, name: str, numbers: Sequence[int]) -> Entry:
    """A row with an id, a colour, or an id and a colour."""
    number = numbers[0] if len(numbers) in (1, 4) else None
    return Entry(name, number, _color(path, name, numbers[-3:]) if len(numbers) > 1 else None)


def _color(path: Path, name: str, parts: Sequence[int]) -> int:
    if len(parts) != 3 or not all(0 <= v <= 255 for v in parts):
        raise DataError(f"{path}: the colour {tuple(parts)} of '{name}' is not three numbers from 0 to 255.")
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def _labelmap(path: Path, line: str) -> Entry:
    """A line name:r,g,b:parts:actions, where the colour may be left out."""
    name, color, *_ = line.rsplit(":", 3)
    parts = [int(v) for v in re.findall(r"\d+", color)]
    return Entry(name.strip(), None, _color(path, name, parts) if parts else None)


def _csv(path: Path, rows: list[list[str]]) -> list[Entry]:
    """Columns name, r, g, b and id by their header; without a header as in a text file."""
    heads = [head.lower() for head in rows[0]] if rows else []
    at = {key: next((heads.index(w) for w in words if w in heads), -1) for key, words in _COLUMNS.items()}
    if at["name"] < 0:
        return _listed(path, [" ".join(row) for row in rows])
    entries = []
    for row in rows[1:]:

        def cell(key: str, row: list[str] = row) -> str:
            return row[at[key]] if 0 <= at[key] < len(row) else ""

        color = [cell("r"), cell("g"), cell("b")] if at["r"] >= 0 else _hex(cell("hex"))
        if not cell("name") or not all(v.isdigit() for v in [*color, cell("id") or "0"]):
            raise DataError(f"{path}: cannot make sense of '{','.join(row)[:60]}'. {EXPECTED}.")
        number = int(cell("id")) if cell("id") else None
        code = _color(path, cell("name"), [int(v) for v in color]) if color else None
        entries.append(Entry(cell("name"), number, code))
    return entries


def _hex(text: str) -> list[str]:
    """Red, green and blue, as text, of #rrggbb or of three numbers; empty where there is none."""
    match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    return [str(int(v, 16)) for v in match.groups()] if match else re.findall(r"\d+", text)


def _json(path: Path) -> Table:
    """{"classes": [{"id": 0, "name": "sky", "colour": [0, 0, 0]}], "void": [255]}, a list of names, or a
    mapping from id to name, from name to id, or from name to colour."""
    data = read_json(path)
    rows, void = data, []
    if isinstance(data, dict) and ("classes" in data or "names" in data):
        rows, void = data.get("classes", data.get("names")), data.get("void", [])
    void = void if isinstance(void, list) else [void]
    if isinstance(rows, dict):
        rows = [_pair(key, value) for key, value in rows.items()]
    if not isinstance(rows, list) or not all(type(v) is int for v in void):
        raise DataError(f'{path}: expected {{"classes": [{{"id": 0, "name": "sky"}}, ...], "void": [255]}}.')
    return table_of([_object(path, row) for row in rows], str(path), void)


def _pair(key: str, value: Any) -> Any:
    """An entry of a mapping as one of a list."""
    if isinstance(value, str):
        return {"id": int(key) if re.fullmatch(r"\d{1,9}", key) else key, "name": value}
    return {"name": key, "colour" if isinstance(value, list) else "id": value}


def _object(path: Path, row: Any) -> Entry:
    if isinstance(row, str):
        return Entry(row)
    row = row if isinstance(row, dict) else {}
    name, number, color = row.get("name"), row.get("id"), row.get("colour", row.get("color"))
    sound = isinstance(name, str) and (number is None or type(number) is int)
    if not sound or not (color is None or (isinstance(color, list) and all(type(v) is int for v in color))):
        raise DataError(
            f"{path}: a class needs a name, and whole numbers as id and colour. Found {row!r:.80}."
        )
    return Entry(str(name), number, None if color is None else _color(path, str(name), color))
