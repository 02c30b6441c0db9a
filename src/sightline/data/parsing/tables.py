"""Discovery of tables: the named one, or one for each split; and files beside a table that define splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath

from sightline.core.dataset import SPLITS
from sightline.data.parsing.columns import path_column, target_columns
from sightline.data.parsing.csv import Columns, header, read_text
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, is_there, name_of, split_of
from sightline.errors import SightlineError

WORDS = {**SPLIT_WORDS, "": ""}
"""Words of a column of splits."""
_CODES = {"0": "train", "1": "val", "2": "test"}
_PARTITIONS = ("list_eval_partition.csv", "list_eval_partition.txt")
"""Which images are for what, as CelebA and DeepFashion write it: by numbers (0, 1, 2), or by words."""


@dataclass
class Rows:
    """The rows of one table, or of one table a split.

    Attributes:
        table: Their cells.
        root: The folder that names of images are relative to.
        folders: Folder that the paths of each row count from.
        splits: Split of each row that files speak of, or "".
        likely: Split that the table's name speaks of: where its images probably are.
        broken: Lines that have another number of cells.
        messages: What was found out.
    """

    table: Columns
    root: Path
    folders: list[Path]
    splits: list[str]
    likely: str = ""
    broken: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def open_tables(source: Path, target: str | None, read: Callable[[Path], Columns]) -> Rows:
    """The rows of a table, or of the tables of a folder; see `by_split`.

    Raises:
        DataError: If one of them cannot be read.
    """
    if source.is_file():
        table = read(source)
        n = len(table.rows)
        rows = Rows(table, source.parent, [source.parent] * n, [""] * n, spoken(source.stem))
        rows.broken = [f"line {line}" for line in table.broken]
        return rows
    whole: Rows | None = None
    for path, split in by_split(source, target):
        table = read(path)
        n, broken = len(table.rows), [f"{name_of(path, source)} line {line}" for line in table.broken]
        if whole is None:
            whole = Rows(replace(table, rows=[], lines=[], broken=[]), source, [], [])
            whole.messages.append("One table a split: ")
        whole.table.rows += table.rows
        whole.table.lines += table.lines
        whole.folders += [path.parent] * n
        whole.splits += [split] * n
        whole.broken += broken
        whole.messages[0] += f"{name_of(path, source)} ({split}), "
    assert whole is not None
    whole.messages[0] = whole.messages[0].removesuffix(", ") + "."
    return whole


def spoken(name: str) -> str:
    """Split that the name of a table stands for, as a word ("train_v2", "trainLabels"), or ""."""
    return split_of(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))


def is_form(path: Path) -> bool:
    """Whether the name of a table is that of a submission form: names of test images, and blank answers."""
    return "submission" in path.stem.lower()


def by_split(root: Path, target: str | None = None) -> list[tuple[Path, str]]:
    """Tables of a folder, or of its folders of splits, one for each of two splits or more, that have the same
    columns, of which images and target are clear; else none."""
    if not root.is_dir():
        return []
    files = annotation_files(root, SPLIT_WORDS, (".csv", ".tsv"), lambda path: not is_form(path))
    inner = {
        path: spoken(path.stem) or (spoken(path.parent.name) if path.parent != root else "") for path in files
    }
    with_split = [(path, split) for path, split in inner.items() if split]
    splits = [split for _, split in with_split]
    if len({*splits}) != len(splits) or len(splits) < 2 or "train" not in splits:
        return []
    if len({tuple(header(path)) for path, _ in with_split}) > 1:
        return []
    try:
        for path, _ in with_split:
            table = read_text(path)
            target_columns(table, target, {path_column(table, path)}, path)
    except SightlineError:
        return []
    return sorted(with_split, key=lambda row: SPLITS.index(row[1]))


def partition(path: Path, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split of each image that a partition beside a table says, and a note; nothing where there is none.

    Args:
        path: The table; the partition lies beside it, or in the folder Eval beside its folder.
        names: Its images, as it names them.
    """
    places = [f / name for f in (path.parent, path.parent.parent / "Eval") for name in _PARTITIONS]
    file = next((p for p in places if is_there(p) and p != path), None)
    if file is None:
        return [], []
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    rows = [cells for line in lines if len(cells := re.split(r"[,\s]+", line.strip())) > 1]
    words = {**_CODES, **SPLIT_WORDS}
    split_by_name = {_bare(cells[0]): words.get(cells[-1].lower(), "") for cells in rows}
    row_splits = [split_by_name.get(_bare(name), "") for name in names]
    if sum(map(bool, row_splits)) <= len(row_splits) / 2:
        return [], []
    numbered = " (0 is train, 1 is val, 2 is test)" if rows[-1][-1] in _CODES else ""
    return row_splits, [f"Splits are those of {file.name}{numbered}."]


def _bare(name: str) -> str:
    return PureWindowsPath(name).as_posix().lower()
