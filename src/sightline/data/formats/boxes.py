"""Tables of boxes: one row for each box, with its image, corners and class."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.instances import Instances
from sightline.data.io.walk import files_in
from sightline.data.parsing.box_columns import BoxColumns, box_columns, describe_columns
from sightline.data.parsing.cells import DOUBTFUL, ON, is_missing, numbers
from sightline.data.parsing.columns import SINGLE_CLASS
from sightline.data.parsing.csv import Columns, header, read_text, rows_of
from sightline.data.parsing.instances import NAN, InstanceBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split, file_beside, names_of
from sightline.data.parsing.writing import Item, class_table, items, number
from sightline.errors import DataError

CARD = FormatCard(
    name="boxes",
    summary="a CSV or TSV table with one box per row",
    recognized_by="boxes.csv with the columns path, xmin, ymin, xmax, ymax and class (or x, y, width, "
    "height)",
    target_types=("instances",),
    writes=True,
)
_DESCRIBED = "class-descriptions"
_HEADER = ("path", "xmin", "ymin", "xmax", "ymax", "class", "class_id", "width", "height")


@dataclass
class _Rows:
    """Boxes collected from all rows."""

    into: InstanceBuilder
    groups: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    grouped: bool = False
    counted: bool | None = None
    """Whether boxes are in parts of the image; None before any was met."""


def sniff(source: str, options: ReadOptions) -> float:
    """High for a table with the columns of a box, unless labels or numbers are requested."""
    if options.target_type not in (None, "instances"):
        return 0.0
    return 0.97 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images of the table with their boxes; a row with an empty box is an image without objects.

    Corners are in pixels counted from 0, the far edge outside. Paths are relative to the table's folder, or
    to `images` in it. With a column of class ids the classes have these; else they are numbered by name.

    Raises:
        DataError: If the table cannot be read, or lacks a column.
        UnknownName: If the target column is not in it.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no table of boxes at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    contents = _Rows(InstanceBuilder(root if root.is_dir() else root.parent, stored=options.exif == "ignore"))
    for path, split in chosen:
        table = read_text(path)
        roles = box_columns(table.names, options.target)
        if roles is None:
            raise DataError(
                f"{path}: the columns {', '.join(table.names)} hold no boxes. Expected {CARD.recognized_by}."
            )
        contents.lines += [f"{path.name} line {n}" for n in table.broken]
        _gather(path, split, table, roles, contents)
        notes += [*describe_columns(path, roles, table), *table.messages]
    if contents.into.whole:
        notes.append("The boxes count the width and height of an image as 1, as none is above 1.")
    note = contents.into.note
    note("rows-broken", "error", contents.lines, "rows have another number of cells", "Correct these lines.")
    what = "rows have a box and no class, and were left out"
    fix = "Fill the class in."
    note("target-missing", "error", contents.nameless, what, fix)
    what = "rows name a split that is not known"
    fix = "Write train, val or test into the column of splits."
    note("split-unknown", "error", contents.unknown, what, fix)
    classes, keys = _classes(contents)
    classes = _described(classes, contents.into.root, notes)
    return contents.into.dataset(
        root, CARD.name, classes, keys, notes, contents.groups if contents.grouped else None
    )


def write(dataset: Dataset, folder: Path) -> Path:
    """Write boxes.csv and images/, with class ids, sizes, flags, areas, splits and groups. Classes without a
    box are not held.

    Returns:
        What to open: the table.

    Raises:
        DataError: If the folder is not empty, or the target is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, ("areas", "crowd", "difficult", "groups"))
    (folder / "images").mkdir(parents=True)
    given = dataset.targets_as(Instances)
    more = [name for name, is_used in {
        "difficult": given.difficult is not None, "crowd": given.crowd is not None,
        "area": given.areas is not None, "split": any(dataset.splits), "group": dataset.groups is not None,
    }.items() if is_used]  # fmt: skip
    with (folder / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_HEADER, *more])
        for item in items(dataset):
            name = f"images/{item.stem}{item.ending}"
            (folder / name).write_bytes(item.data)
            group = "" if dataset.groups is None else str(dataset.groups[item.number])
            for box, flags in _cells(item, classes):
                cells = {**flags, "split": item.split, "group": group}
                row = [name, *box, str(item.size[1]), str(item.size[0])]
                writer.writerow([*row, *(cells.get(m, "") for m in more)])
    return folder / "boxes.csv"


def _cells(item: Item, classes: Classes) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Cells of each box: corners and class, and its flags; empty ones for an image without any."""
    if not item.objects:
        yield [""] * 6, {}
    for thing in item.objects:
        flags = {"difficult": str(int(thing.difficult)), "crowd": str(int(thing.crowd))}
        area = {} if thing.area is None else {"area": number(thing.area)}
        corners = [number(v) for v in thing.corners]
        yield [*corners, classes.names[thing.label], str(classes.ids[thing.label])], {**flags, **area}


def _files(root: Path) -> list[Path]:
    """Tables of boxes: the one named, or those in a folder and in folders named after splits."""
    return annotation_files(root, SPLIT_WORDS, (".csv", ".tsv"), _like_boxes)


def _like_boxes(path: Path) -> bool:
    """Whether the header has the columns of a box."""
    return box_columns(header(path), None) is not None


def _gather(path: Path, split: str, table: Columns, roles: BoxColumns, contents: _Rows) -> None:
    """Collect the images and boxes of one table."""
    contents.grouped |= "group" in roles.more
    places: dict[str, Path] = {}
    boxes = _boxes(path, table, roles)
    _parts_of_one(path, boxes, roles, contents)
    for line, cells, corners in zip(table.lines, table.rows, boxes, strict=True):
        row = dict(zip(table.names, cells, strict=True))
        more = {role: row[name] for role, name in roles.more.items()}
        name, where = row[roles.path], f"{path.name} line {line}"
        if not name:
            contents.lines.append(where)
            continue
        word = more.get("split", "").lower()
        if word and word not in SPLIT_WORDS:
            contents.unknown.append(f"{where} ({word})")
        if name not in places:
            places[name] = file_beside(path.parent, names_of(name))
        size = None if roles.size is None else _whole(row[roles.size[0]], row[roles.size[1]])
        image = contents.into.add_image(places[name], SPLIT_WORDS.get(word, "") or split, size, again=True)
        contents.groups += [more.get("group", "")] * (image == len(contents.groups))
        if corners is not None:
            _box(image, row, roles, corners, more, where, contents)


def _boxes(path: Path, table: Columns, roles: BoxColumns) -> list[tuple[float, ...] | None]:
    """Corners of the box of each row, NaN where one is no number; None where the cells are empty.

    Raises:
        DataError: If the numbers can be read in two ways.
    """
    if len(roles.box) == 1:
        texts = [re.findall(r"[^\s,;\[\]()]+", cell) for cell in table.column(roles.box[0])]
        rows = [t if len(t) in (0, 4) else ["", "", "", t[0]] for t in texts]
    else:
        rows = [list(cells) for cells in zip(*map(table.column, roles.box), strict=True)]
    flat = [cell for row in rows for cell in row]
    read = numbers(flat, table.delimiter, f"{path}: the columns {', '.join(roles.box)}")
    if read is not None and read.note:
        table.messages.append(f"{path.name}: boxes are {read.note}.")
    values = iter(read.values if read is not None else map(_value, flat))
    corners: list[tuple[float, ...] | None] = []
    for row in rows:
        x, y, a, b = (next(values) for _ in range(4)) if row else (NAN,) * 4
        empty = all(is_missing(cell) for cell in row)
        corners.append(None if empty else (x, y, x + a, y + b) if roles.sized else (x, y, a, b))
    return corners


def _parts_of_one(
    path: Path, boxes: Sequence[tuple[float, ...] | None], roles: BoxColumns, contents: _Rows
) -> None:
    """Note whether boxes are relative to the image: none exceeds 1, some are fractions. Tables with ids of
    classes, which we wrote, count in pixels.

    Raises:
        DataError: If another table of the set counts otherwise.
    """
    values = np.array([b for b in boxes if b is not None]).reshape(-1)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    parts = not roles.number and bool(
        values.max() <= 1.001 and values.min() >= -0.001 and (values % 1 != 0).any()
    )
    if contents.counted not in (None, parts):
        raise DataError(
            f"{path}: boxes are {'parts of the image (0 to 1)' if parts else 'in pixels'}, and those of "
            "the table before are not. Write all in pixels."
        )
    contents.counted = parts
    contents.into.whole = 1.0 if parts else None


def _box(
    image: int, row: dict[str, str], roles: BoxColumns, corners: tuple[float, ...], more: dict[str, str],
    where: str, contents: _Rows,
) -> None:  # fmt: skip
    """Gather the box of one row."""
    column = roles.name or roles.number
    key = row[column] if column else SINGLE_CLASS
    # A name beside an id is one, whatever it is.
    if not key or (is_missing(key) and key.lower() not in DOUBTFUL and not roles.number):
        contents.nameless.append(where)
        return
    if roles.number and re.fullmatch(r"\d{1,9}", row[roles.number]):
        number = int(row[roles.number])
        if contents.ids.setdefault(key, number) != number:
            raise DataError(
                f"{where}: class '{key}' has the id {number} and, before that, {contents.ids[key]}."
            )
    flags = {role: more.get(role, "").lower() in ON for role in ("crowd", "difficult")}
    contents.into.box(image, key, corners, area=_value(more.get("area", "")), **flags)


def _described(classes: Classes, root: Path, notes: list[str]) -> Classes:
    """Class names from a table class-descriptions, as Open Images has it beside its codes."""
    files = [p for p in files_in(root, ".csv") if _DESCRIBED in p.name]
    if not files or not all(n.startswith("/") for n in classes.names):
        return classes
    rows = rows_of(files[0].read_text(encoding="utf-8-sig"), files[0])
    named = {row[0]: row[1] for row in rows if len(row) > 1}
    names = tuple(named.get(n, n) for n in classes.names)
    if len(set(names)) < len(names):
        return classes
    notes.append(f"Names of classes are from {files[0].name}.")
    return Classes(names, classes.ids)


def _classes(contents: _Rows) -> tuple[Classes, tuple[str, ...]]:
    """Class table, by ids where all classes have one; and what the rows call each class.

    Raises:
        DataError: If two classes have one id.
    """
    names = contents.into.names()
    ids = contents.ids
    padded = any(len(n) > 1 and n[0] == "0" for n in names)  # 001 is a name
    if not ids and names and not padded and all(re.fullmatch(r"\d{1,9}", n) for n in names):
        ids = {n: int(n) for n in names}
    if set(ids) < set(names) or not ids:
        return Classes(names), names
    if len(set(ids.values())) < len(ids):
        raise DataError(f"{contents.into.root}: two classes have one id in the table: {ids}.")
    names = tuple(sorted(names, key=lambda n: ids[n]))
    return Classes(names, tuple(ids[n] for n in names)), names


def _value(text: str) -> float:
    """The number in a cell; NaN where there is none."""
    try:
        return float(text)
    except ValueError:
        return NAN


def _whole(height: str, width: str) -> tuple[int, int] | None:
    """(height, width) of two cells, or None where they are no whole numbers."""
    h, w = _value(height), _value(width)
    return (int(h), int(w)) if h % 1 == 0 and w % 1 == 0 else None
