"""Hugging Face's image folder: metadata.csv or metadata.jsonl beside the images of each split.

Source: huggingface.co/docs/datasets, "Create an image dataset": the column `file_name` is the path below the
file's folder; `objects` holds `bbox`, lists of [x, y, width, height] in pixels, and `categories`. Whole
numbers are class ids; their names are in the card (README.md, `class_label: names:`), if anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.csv import read_text
from sightline.data.parsing.each import split_below, whole_size
from sightline.data.parsing.instances import InstanceBuilder, numbers
from sightline.data.parsing.json import glance
from sightline.data.parsing.label_lists import requested_columns
from sightline.data.parsing.labeled import labeled
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, folders_in
from sightline.data.parsing.targets import parse_targets
from sightline.errors import DataError, UnknownName

CARD = FormatCard(
    name="imagefolder",
    summary="Hugging Face's image folder: metadata.csv or metadata.jsonl with labels, numbers or boxes",
    recognized_by="metadata.csv or metadata.jsonl with file_name, beside the images or in train/ and test/",
    target_types=("label", "number", "instances"),
)
_FILE = "file_name"
_FILES = ("metadata.csv", "metadata.jsonl")
_TARGETS = ("label", "labels", "class", "target", "y", "category", "tags")
_TEXTS = ("text", "caption", "captions", "prompt", "additional_feature")
_OBJECTS = ("objects", "annotations")
_BOXES = ("bbox", "bboxes", "boxes")
_LABELS = ("categories", "category", "labels", "label", "classes", "class")


@dataclass
class _Rows:
    """Rows of all files: the image, its split and its cells."""

    paths: list[Path] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High for metadata.csv or metadata.jsonl with file_name, in a folder or its splits."""
    del options
    return 0.98 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all rows: with boxes if there are objects, else with labels or numbers, as in tables.

    Splits are those of the folders. The target is `objects`, the column `label` or the like, the only one
    left, or what `--target` names.

    Raises:
        DataError: If there is no such file, it cannot be read, or it is not clear what the target is.
        UnknownName: If the column that is asked for is not there.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no metadata of images at '{root}'. Expected {CARD.recognized_by}.")
    top = root if root.is_dir() else root.parent
    rows = _Rows()
    for path in files:
        _read_file(path, top, rows)
    if not rows.cells:
        raise DataError(f"{root}: no row with a {_FILE}. Expected one row an image.")
    columns = list(dict.fromkeys(key for row in rows.cells for key in row))
    boxes = next((key for key in columns if key in _OBJECTS), None)
    if boxes is not None and options.target_type in (None, "instances") and options.target in (None, boxes):
        return _boxed(root, top, rows, boxes, options)
    return _column_labels(root, top, rows, columns, options)


def _files(root: Path) -> list[Path]:
    """Metadata of a folder, of its folders named after splits, and of those of its folder `data`."""
    if root.is_file():
        return [root] if root.name in _FILES and _like(root) else []
    if not root.is_dir():
        return []
    folders = [root, *folders_in(root, SPLIT_WORDS), root / "data", *folders_in(root / "data", SPLIT_WORDS)]
    return [path for f in folders for name in _FILES if (path := f / name).is_file() and _like(path)]


def _like(path: Path) -> bool:
    return _FILE in glance(path).split("\n", 1)[0]


def _read_file(path: Path, top: Path, rows: _Rows) -> None:
    """Add the rows of one file."""
    if path.suffix == ".csv":
        table = read_text(path)
        entries = [dict(zip(table.names, row, strict=True)) for row in table.rows]
        rows.broken += [f"{path.name} line {n}" for n in table.broken]
    else:
        entries = []
        for n, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path}: line {n} is no sound JSON ({error}). Write one object a line."
                ) from error
            entries.append(entry if isinstance(entry, dict) else {})
    for n, row in enumerate(entries, 1):
        name = row.pop(_FILE, None)
        if not isinstance(name, str) or not name:
            rows.broken.append(f"{path.name} row {n}")
            continue
        rows.paths.append(path.parent / name)
        rows.splits.append(split_below(path.parent / name, top))
        rows.cells.append(row)


def _boxed(root: Path, top: Path, rows: _Rows, column: str, options: ReadOptions) -> Dataset:
    """The boxes of the column of objects."""
    into = InstanceBuilder(top, written="sizes", stored=options.exif == "ignore")
    bare: list[str] = []
    for path, split, row in zip(rows.paths, rows.splits, rows.cells, strict=True):
        image = into.add_image(path, split, whole_size(row.get("height"), row.get("width")))
        things = _things(row.get(column))
        if things is None:
            bare.append(path.name)
            continue
        for key, place in things:
            box = numbers(place, 4)
            if box is None or isinstance(key, bool) or not isinstance(key, int | str):
                bare.append(f"{path.name}: {key}")
            else:
                x, y, w, h = box
                into.box(image, str(key).strip(), (x, y, x + w, y + h))
    what = "rows or objects have no bbox of four numbers with a category, and were left out"
    fix = "Write objects: {bbox: [[x, y, width, height], ...], categories: [...]}, as many of each."
    into.note("boxes-missing", "error", bare, what, fix)
    _broken(into, rows)
    keys = sorted(into.names(), key=lambda k: (len(k), k) if k.isdecimal() else (10, k))
    classes, notes = _classes(top, keys)
    notes.append("Boxes are read as x, y, width and height in pixels.")
    return into.dataset(root, CARD.name, classes, keys, notes)


def _things(given: Any) -> list[tuple[Any, Any]] | None:
    """Category and box of each object of a cell; None if their numbers differ."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError:
            return None
    if isinstance(given, list):  # a record an object
        given = [g for g in given if isinstance(g, dict)]
        boxes = [next((g[k] for k in _BOXES if k in g), None) for g in given]
        keys = [next((g[k] for k in _LABELS if k in g), None) for g in given]
        return list(zip(keys, boxes, strict=True))
    if not isinstance(given, dict):
        return [] if given is None else None
    boxes, keys = (next((given[k] for k in names if k in given), []) for names in (_BOXES, _LABELS))
    if not isinstance(boxes, list) or not isinstance(keys, list) or len(boxes) != len(keys):
        return None
    return list(zip(keys, boxes, strict=True))


def _column_labels(root: Path, top: Path, rows: _Rows, columns: list[str], options: ReadOptions) -> Dataset:
    """Labels, or numbers, of a column."""
    mark = ""
    if options.target is not None:
        names, mark = requested_columns(options.target, columns)
        for name in names:
            if name not in columns:
                raise UnknownName("column", name, columns, f"The metadata are of {root}.")
    else:
        named = [c for target in _TARGETS for c in columns if c.lower() == target]
        left = [c for c in columns if c.lower() not in _TEXTS]
        names = named[:1] or left
        if len(names) != 1:
            raise DataError(
                f"{root}: which column holds the target? Columns beside {_FILE}: "
                f"{', '.join(columns) or 'none'}. Name it with --target; texts that describe "
                "images (captions) are no target here."
            )
    cells = [[_cell(row.get(name)) for row in rows.cells] for name in names]
    labels = parse_targets(names, cells, options.target_type, str(root), mark=mark)
    notes = [f"The target is {', '.join(map(repr, names))}."]
    if labels.classes is not None:
        labels.classes, more = _classes(top, list(labels.classes.names))
        notes += more
    further = {c: [_text(row.get(c)) for row in rows.cells] for c in columns if c not in names}
    dataset = labeled(root, top, CARD.name, rows.paths, rows.splits, labels, notes, further)
    into = InstanceBuilder(top)
    _broken(into, rows)
    return replace(dataset, read_findings=(*dataset.read_findings, *into.read_findings))


def _text(value: Any) -> str:
    """A cell of a column that is kept as it is; records as JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else _cell(value)


def _cell(value: Any) -> str:
    """A cell as text; a list is several labels."""
    if isinstance(value, list):
        return "|".join(str(v) for v in value)
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value).strip()


def _broken(into: InstanceBuilder, rows: _Rows) -> None:
    what = "rows are not as the header has them, or have no file_name, and were left out"
    into.note("rows-broken", "error", rows.broken, what, "Correct these lines.")


def _classes(top: Path, keys: Sequence[str]) -> tuple[Classes, list[str]]:
    """The class table of some keys as annotated: names of ids are those of the card, if it has them."""
    if not keys or not all(re.fullmatch(r"\d{1,9}", key) for key in keys):
        return Classes(tuple(keys)), []
    ids = tuple(map(int, keys))
    if len(set(ids)) < len(ids):  # 1 and 01
        return Classes(tuple(keys)), []
    card_names = _card_names(top / "README.md")
    if set(ids) <= set(card_names):
        return Classes(tuple(card_names[i] for i in ids), ids), ["Class names are from README.md."]
    note = "Classes are numbers, and no README.md names them (class_label: names): they are called by id."
    return Classes(tuple(map(str, ids)), ids), [note]


def _card_names(path: Path) -> dict[int, str]:
    """Names of class ids in the head of a data set's card; empty if it has none, or several lists."""
    if not path.is_file():
        return {}
    parts = path.read_text(encoding="utf-8", errors="replace").split("---", 2)
    try:
        # No tags are resolved: a class called "no" stays the text that it is.
        head = (
            yaml.load(parts[1], Loader=yaml.BaseLoader) if len(parts) == 3 and not parts[0].strip() else None
        )
    except (yaml.YAMLError, RecursionError):
        return {}
    tables = list(_tables(head))
    return tables[0] if len(tables) == 1 else {}


def _tables(node: Any) -> list[dict[int, str]]:
    """All lists of class names below a node."""
    if isinstance(node, list):
        return [table for part in node for table in _tables(part)]
    if not isinstance(node, dict):
        return []
    tables = [table for part in node.values() for table in _tables(part)]
    label = node.get("class_label")
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, list):
        names = {str(i): name for i, name in enumerate(names)}
    if isinstance(names, dict) and all(re.fullmatch(r"\d{1,9}", str(k)) for k in names):
        tables.append({int(k): str(v) for k, v in names.items()})
    return tables
