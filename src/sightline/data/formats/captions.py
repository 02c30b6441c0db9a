"""Captions in tables, in the token files of Flickr8k and Flickr30k, or in a text file beside each image.

Sources: Hodosh et al., Framing image description as a ranking task, JAIR 2013 (Flickr8k.token.txt and the
lists of its parts); huggingface.co/docs/datasets, "Create an image dataset" (metadata.csv, metadata.jsonl).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.targets.text import Captions
from sightline.core.word_pieces import words_of
from sightline.data.parsing.caption_rows import CaptionRows
from sightline.data.parsing.class_folders import images_of
from sightline.data.parsing.coco_file import images_folder
from sightline.data.parsing.columns import GROUPS, PATHS, SPLITS, TARGETS, column_named, path_column
from sightline.data.parsing.content import content
from sightline.data.parsing.csv import Columns, header, read_text, rows_of
from sightline.data.parsing.each import split_below
from sightline.data.parsing.json import glance
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.data.parsing.tables import WORDS
from sightline.errors import DataError, UnknownName

CARD = FormatCard(
    name="captions",
    summary="captions: a table, Flickr8k.token.txt, metadata.jsonl, or a text file beside each image",
    recognized_by="captions.csv with path and caption (a row a caption), Flickr8k.token.txt, metadata.csv or "
    "metadata.jsonl with file_name and text; or 1.jpg beside 1.txt with a caption a line",
    target_types=("text",),
    writes=True,
)
COLUMNS = ("caption", "captions", "comment", "sentence", "sentences", "description", "text", "raw")
"""Columns of captions, the surest first."""
_IMAGES = (*PATHS, "image_name", "imagename", "filepath")
_ENDINGS = (".csv", ".tsv", ".txt", ".token", ".jsonl")
_TOKEN = re.compile(r"(?P<name>[^\t]+\.\w+)#\d+[rd]?\t(?P<text>.*)$")
_PART = re.compile(r"(train|training|dev|val|validation|test)[ _-]?images?(_list)?$", re.IGNORECASE)
_SOME = 50
"""Rows, or text files, that tell what they hold."""


class _Entry(NamedTuple):
    """One caption, and the image as the file names it."""

    name: str
    text: str
    split: str
    group: str = ""


_Read = tuple[list[_Entry], list[str]]
"""The captions of a file, and what was found out."""


def sniff(source: str, options: ReadOptions) -> float:
    """High for captions without labels; for any table with such a column where captions are wanted."""
    if options.target_type not in (None, "text"):
        return 0.0
    root = Path(source)
    if _files(root, options):
        return 0.985
    return 0.985 if root.is_dir() and _beside(root, _SOME) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All captions, gathered image by image: an image has one split, and each of its captions.

    Paths count from the folder of the file. The column is the one that is called caption, or the like, or
    what `--target` names. Splits are those of a column, of the names of files and folders, or of the lists
    of Flickr8k (`Flickr_8k.trainImages.txt`).

    Raises:
        DataError: If there is no such file, it cannot be read, or no image is there.
        UnknownName: If the column that is asked for is not there.
    """
    root = Path(source)
    files = _files(root, options) or ([root] if root.is_file() else [])
    rows = CaptionRows()
    if not files:
        pairs = _beside(root) if root.is_dir() else []
        if not pairs:
            raise DataError(f"There are no captions at '{root}'. Expected {CARD.recognized_by}.")
        for image, text in pairs:
            for line in _lines(text) or [""]:
                rows.add(image, line, split_below(image, root))
        return rows.dataset(root, CARD.name, [f"Captions are the lines of {len(pairs):,} text files."])
    chosen, notes = by_split(files, root)
    for path, split in chosen:
        entries, remarks = _read_file(path, split, options, rows)
        notes += remarks
        folder = images_folder(path, [*dict.fromkeys(entry.name for entry in entries)], split, None)
        for entry in entries:
            rows.add(folder / entry.name, entry.text, entry.split, entry.group)
    return rows.dataset(root, CARD.name, notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write captions.csv, a row a caption with path, caption and split, and the images below images/.

    Returns:
        What to open: the table.

    Raises:
        DataError: If the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    targets, split = dataset.targets_as(Captions), any(dataset.splits)
    more = ["split"] * bool(split) + ["group"] * (dataset.groups is not None)
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption", *more])
        for i, texts in enumerate(targets.texts):
            data, ending = content(dataset.pixels, i)
            name = f"images/{i:06d}{ending}"
            (folder / name).write_bytes(data)
            cells = [dataset.splits[i]] if split else []
            cells += [] if dataset.groups is None else [str(dataset.groups[i])]
            writer.writerows([name, text, *cells] for text in texts)
    return folder / "captions.csv"


def _files(root: Path, options: ReadOptions) -> list[Path]:
    """Files with captions: the named one, or those of a folder and of its folders of splits."""
    return annotation_files(
        root, {*SPLIT_WORDS, "text", "annotations"}, _ENDINGS, lambda p: _like(p, options)
    )


def _like(path: Path, options: ReadOptions) -> bool:
    """Whether a file holds captions; one with labels too does where captions are asked for."""
    first = glance(path).partition("\n")[0]
    if _TOKEN.match(first.rstrip("\r")):
        return True
    names = _keys(first) if path.suffix.lower() == ".jsonl" else header(path)
    low = [name.lower() for name in names]
    if len(names) < 2 or not {*low} & {*_IMAGES}:
        return False
    if options.target_type is not None:
        return options.target in names or bool({*low} & {*COLUMNS})
    if options.target is not None:  # any other column of a table may hold labels
        return options.target in names and options.target.lower() in COLUMNS
    if {*low} & {*TARGETS, "objects", "annotations", "bbox", "xmin"}:
        return False
    return bool({*low} & {*COLUMNS}) and ("text" not in low or _sentences(path, names))


def _keys(line: str) -> list[str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return []
    return [*entry] if isinstance(entry, dict) else []


def _sentences(path: Path, names: Sequence[str]) -> bool:
    """Whether most cells of the column of captions have several words: a column `text` may hold one (OCR)."""
    lines, column = glance(path).splitlines()[: _SOME + 1], _column(names, None, path)
    if path.suffix.lower() == ".jsonl":
        entries = [json.loads(line) for line in lines if _keys(line)]
        cells = [text for entry in entries for text in _texts(entry.get(column))]
    else:
        where = list(names).index(column)
        cells = [row[where] for row in rows_of("\n".join(lines), path)[1:] if len(row) > where]
    return sum(len(words_of(cell)) > 1 for cell in cells) > len(cells) / 2


def _column(names: Sequence[str], target: str | None, path: Path) -> str:
    """The column of captions: as asked, or the first that is called so.

    Raises:
        DataError: If none is.
        UnknownName: If the one that is asked for is not there.
    """
    if target is not None:
        if target not in names:
            raise UnknownName("column", target, list(names), f"The table is {path}.")
        return target
    low = {name.lower(): name for name in reversed(names)}
    named = [low[name] for name in COLUMNS if name in low]
    if not named:
        raise DataError(
            f"{path}: no column holds captions. Columns: {', '.join(names)}. Call it caption, or name it "
            "with --target."
        )
    return named[0]


def _read_file(path: Path, split: str, options: ReadOptions, rows: CaptionRows) -> _Read:
    """The captions of one file; lines that cannot be read go to the rows."""
    if _TOKEN.match(glance(path).partition("\n")[0].rstrip("\r")):
        return _read_tokens(path, split, rows)
    if path.suffix.lower() == ".jsonl":
        return _read_lines(path, split, options, rows)
    table = read_text(path)
    usual = column_named(table, _IMAGES, "")
    where = usual if usual is not None else path_column(table, path)
    column = _column(table.names, options.target, path)
    role, group = column_named(table, SPLITS, where), column_named(table, GROUPS, where)
    rows.broken += [f"{path.name} line {line}" for line in table.broken]
    entries = []
    for n in range(len(table.rows)):
        word = split if role is None else _part(_cell(table, role, n), path, table.lines[n])
        name = _cell(table, where, n).replace("\\", "/")
        entries.append(_Entry(name, _cell(table, column, n), word, _cell(table, group, n)))
    roles = [f"image '{where}'", f"caption '{column}'"]
    roles += [f"{what} '{name}'" for what, name in (("split", role), ("group", group)) if name]
    return entries, [f"Columns: {', '.join(roles)}.", *table.messages]


def _cell(table: Columns, name: str | None, row: int) -> str:
    return "" if name is None else table.rows[row][table.names.index(name)]


def _part(word: str, path: Path, line: int) -> str:
    if word.lower() not in WORDS:
        raise DataError(f"{path}: line {line} names the split '{word}'. Expected train, val or test.")
    return WORDS[word.lower()]


def _read_tokens(path: Path, split: str, rows: CaptionRows) -> _Read:
    """A file of lines `image.jpg#0<TAB>caption`, with the lists of the parts that lie beside it."""
    lists = {file: _PART.search(file.stem) for file in sorted(path.parent.glob("*.txt"))}
    parts = {
        name: SPLIT_WORDS[match[1].lower()]
        for file, match in lists.items()
        if match is not None
        for name in _lines(file)
    }
    entries = []
    for n, line in enumerate(_lines(path), 1):
        match = _TOKEN.match(line)
        if match is None:
            rows.broken.append(f"{path.name} line {n}")
        else:
            entries.append(_Entry(match["name"], match["text"], parts.get(match["name"], split)))
    used = ", ".join(file.name for file, match in lists.items() if match is not None)
    return entries, [f"Splits are those of {used}."] if parts else []


def _read_lines(path: Path, split: str, options: ReadOptions, rows: CaptionRows) -> _Read:
    """A file with one JSON object a line."""
    lines = _lines(path)
    names = _keys(lines[0]) if lines else []
    column = _column(names, options.target, path)
    where = next(name for name in names if name.lower() in _IMAGES)
    entries: list[_Entry] = []
    for n, line in enumerate(lines, 1):
        entry: Any = json.loads(line) if _keys(line) else {}
        if not isinstance(entry.get(where), str) or column not in entry:
            rows.broken.append(f"{path.name} line {n}")
            continue
        entries += [_Entry(entry[where], text, split) for text in _texts(entry[column]) or [""]]
    return entries, [f"Captions are '{column}' of {path.name}."]


def _texts(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value or "")]


def _beside(root: Path, most: int | None = None) -> list[tuple[Path, Path]]:
    """Images with a text file of their name beside them; none if most such files hold numbers (boxes)."""
    pairs = [(i, t) for i in images_of([root])[:most] if (t := i.with_suffix(".txt")).is_file()]
    some = [_lines(text) for _, text in pairs[:_SOME]]
    worded = sum(any(any(map(str.isalpha, word)) for word in words_of(line)) for lines in some
                 for line in lines[:1])  # fmt: skip
    return pairs if worded > len(some) / 2 else []


def _lines(path: Path) -> list[str]:
    """Lines of a text file that are not empty.

    Raises:
        DataError: If it is no UTF-8.
    """
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 ({error.reason}, byte {error.start}). Save it as UTF-8."
        ) from error
