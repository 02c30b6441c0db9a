"""Tables: one row a picture, with its path, its truth, and perhaps its split and group."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.pixels import Files
from sightline.data.parsing.content import content
from sightline.data.parsing.csv import Columns, read_text
from sightline.data.parsing.findings import unseen
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.paths import Lookup
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.targets import Truths, is_flags, truths
from sightline.errors import DataError, MissingExtra, UnknownName

CARD = FormatCard(
    name="table",
    summary="a CSV, TSV or Parquet table of paths with labels or numbers",
    looks_like="labels.csv with the columns path and label (or numbers), perhaps split and group",
    truths=("label", "number"),
    writes=True,
)
_PATHS = (
    "path", "image", "file", "filename", "file_name", "filepath", "image_path", "img", "picture", "image_id",
    "imageid",
)  # fmt: skip
_TARGETS = ("label", "labels", "class", "target", "y", "category", "tags")
_SPLITS = ("split", "set", "subset", "partition")
_GROUPS = ("group", "group_id", "patient", "patient_id", "subject", "subject_id")
_FIRST = 50
"""Cells of a column that tell what it holds."""
_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "": "",
}


@dataclass
class _Kept:
    """Which rows are used, and what was found on the way."""

    keep: np.ndarray
    problems: list[Finding] = field(default_factory=list)

    def note(self, name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> None:
        """Record a finding, if there is anything to it."""
        if items:
            shown = ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
            text = f"{len(items)} {message}: {shown}."
            self.problems.append(Finding(name, severity, text, fix, len(items), tuple(items)))


def sniff(source: str, options: ReadOptions) -> float:
    """By the file's ending."""
    del options
    path = Path(source)
    return 0.95 if path.suffix.lower() in (".csv", ".tsv", ".parquet") and path.is_file() else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All rows whose picture and truth are there; the others are in `problems`.

    Paths are relative to the table's folder. How the target column is read, see `_truths.truths`.

    Raises:
        DataError: If the table cannot be read, or none of its pictures is there.
        UnknownName: If the target column is not in it.
        MissingExtra: For Parquet without pyarrow.
    """
    path = Path(source)
    if not path.is_file():
        raise DataError(f"There is no table '{path}'.")
    table = _parquet(path) if path.suffix.lower() == ".parquet" else read_text(path)
    if not table.rows:
        raise DataError(f"{path}: no rows below the header {', '.join(table.names)}.")
    where = path_column(table, path)
    split, group = _named(table, _SPLITS, where), _named(table, _GROUPS, where)
    columns = _target_columns(table, options.target, {where, split, group}, path)
    cells = [table.column(c) for c in columns]
    labels = truths(columns, cells, options.truth, str(path), table.delimiter)
    rows = _Kept(np.ones(len(table.rows), dtype=bool), labels.problems)
    lookup = Lookup(path.parent)
    files = [lookup.find(path.parent / name) if name else None for name in table.column(where)]
    names = zip(table.column(where), files, strict=True)
    ids = [name if file is None else name_of(file, path.parent) for name, file in names]
    _sort_out(rows, table, ids, files, labels, lookup)
    splits = _read_splits(rows, table, split, ids)
    if not rows.keep.any():
        raise DataError(f"{path}: none of the {len(ids)} rows can be used. {rows.problems[-1].message}")
    used = np.flatnonzero(rows.keep)
    targets = labels.targets[torch.from_numpy(used)]
    if labels.classes is not None and not getattr(targets, "multi", False):
        rows.problems += unseen(labels.classes.names, targets.value.numpy(), splits[used])
    roles = [f"picture '{where}'", f"truth {', '.join(map(repr, columns))}"]
    roles += [f"{role} '{name}'" for role, name in (("split", split), ("group", group)) if name]
    rest = [n for n in table.names if n not in (where, split, group, *columns)]
    roles += [f"not used {', '.join(map(repr, rest))}"] if rest else []
    return Dataset(
        name=path.stem,
        format=CARD.name,
        ids=[ids[i] for i in used.tolist()],
        pixels=Files([file for i in used.tolist() if (file := files[i]) is not None]),
        targets=targets,
        classes=labels.classes,
        splits=splits[used],
        groups=None if group is None else np.array(table.column(group), dtype=object)[used],
        root=path,
        outputs=labels.outputs,
        problems=tuple(rows.problems),
        notes=("Columns: " + ", ".join(roles) + ".", *table.notes, *labels.notes),
    )


def write(dataset: Dataset, folder: Path) -> Path:
    """Write `labels.csv` and the pictures under `images/`; files are copied, arrays become PNG.

    Returns:
        What to open: the table.

    Raises:
        DataError: If the folder is not empty, or a class name holds '|'.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    header = ["path", *_header(dataset)]
    header += ["split"] if any(dataset.splits) else []
    header += ["group"] if dataset.groups is not None else []
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i, cells in enumerate(_cells(dataset)):
            data, ending = content(dataset.pixels, i)
            name = f"images/{i:06d}{ending}"
            (folder / name).write_bytes(data)
            split = [dataset.splits[i]] if any(dataset.splits) else []
            group = [] if dataset.groups is None else [str(dataset.groups[i])]
            writer.writerow([name, *cells, *split, *group])
    return folder / "labels.csv"


def _header(dataset: Dataset) -> list[str]:
    if dataset.truth == "number":
        return list(dataset.outputs) or ["number"]
    return ["labels" if dataset.targets.multi else "label"]


def _cells(dataset: Dataset) -> Iterator[list[str]]:
    """The target cells of each row."""
    if dataset.truth == "number":
        yield from ([repr(v) for v in row] for row in dataset.targets.value.tolist())
        return
    if dataset.classes is None:
        raise DataError("Labels without a class table cannot be written as a table.")
    names = dataset.classes.names
    if any("|" in name for name in names):
        raise DataError("A class name with '|' cannot be written to a table, where it divides labels.")
    for value in dataset.targets.value:
        yield [
            "|".join(names[k] for k in value.nonzero().flatten().tolist())
            if value.ndim
            else names[int(value)]
        ]


def _parquet(path: Path) -> Columns:
    """A Parquet file as text."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra(f"Reading {path.name}", "tables") from error
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}).") from error
    columns = [[_cell(v, path, name) for v in table[name].to_pylist()] for name in table.column_names]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Columns(list(table.column_names), rows, list(range(1, len(rows) + 1)))


def _cell(value: object, path: Path, name: str) -> str:
    """A cell of Parquet as text; lists become several labels."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "|".join(str(v) for v in value)
    if isinstance(value, bytes | dict):
        raise DataError(
            f"{path}: the column '{name}' holds pictures or records, not text or numbers. "
            "Write the pictures to files and their paths into a column."
        )
    return str(value).strip()


def _named(table: Columns, names: Sequence[str], taken: str) -> str | None:
    """The first column of one of these names."""
    low = {n.lower(): n for n in table.names if n != taken}
    return next((low[n] for n in names if n in low), None)


def path_column(table: Columns, path: Path) -> str:
    """The column that holds the pictures: by content, and by name where several do."""
    fitting = [n for n in table.names if _like_pictures(table.column(n))]
    usual = [n for n in table.names if n.lower() in _PATHS]
    both = [n for n in fitting if n in usual]
    best = both or fitting or usual
    best = best or [n for n in table.names if _are_pictures(n, table.column(n), path.parent)]
    if not best:
        raise DataError(
            f"{path}: no column holds paths of pictures. Columns: {', '.join(table.names)}. "
            "Name one 'path', with paths relative to the table."
        )
    if len(best) > 1:
        order = [p for p in _PATHS if p in {b.lower() for b in best}]
        best = [b for b in best if order and b.lower() == order[0]] or best
    return best[0]


def _like_pictures(cells: Sequence[str]) -> bool:
    """Whether most of the first cells end as the names of pictures do."""
    some = [c for c in cells[:_FIRST] if c]
    return sum(Path(c).suffix.lower() in ALL_EXTENSIONS for c in some) > len(some) / 2


def _are_pictures(name: str, cells: Sequence[str], folder: Path) -> bool:
    """Whether a column is called an id or name, and most of its first cells are pictures without ending."""
    if not re.search(r"(^|_|\b)id(_|\b)|image|img|file|name|pic|photo|scan", name.lower()):
        return False
    some = [c for c in cells[:_FIRST] if c]
    lookup = Lookup(folder)
    return sum(lookup.find(folder / c) is not None for c in some) > len(some) / 2


def _target_columns(table: Columns, target: str | None, taken: set[str | None], path: Path) -> list[str]:
    """Columns of the truth: as asked, or by name, or the only one left, or all that are left and are 0 and 1.

    Raises:
        DataError: If none is sure, or it holds pictures.
        UnknownName: If one that is asked for is not there.
    """
    if target is not None:
        names = [target] if target in table.names else [t.strip() for t in target.split(",")]
        for name in names:
            if name not in table.names:
                raise UnknownName("column", name, table.names, f"The table is {path}.")
        return names
    named = _named(table, _TARGETS, "")
    rest = [n for n in table.names if n not in taken and not _counts_rows(n, table.column(n))]
    flags = len(rest) > 1 and all(is_flags(table.column(n)) for n in rest)
    chosen = [named] if named is not None and named not in taken else rest
    if flags and chosen != rest and is_flags(table.column(chosen[0])):
        chosen = rest
    if len(chosen) > 1 and not flags:
        raise _unsure(table, rest, path)
    for name in chosen:
        if _like_pictures(table.column(name)):
            raise DataError(
                f"{path}: the column '{name}' holds names of pictures, which are no truth of a table. Masks "
                "are read from folders images/ and masks/; name another column with --target."
            )
    if not chosen:
        raise _unsure(table, rest, path)
    return chosen


def _unsure(table: Columns, rest: Sequence[str], path: Path) -> DataError:
    """That nothing says which column is the truth."""
    several = ",".join(n for n in rest if is_flags(table.column(n)))
    way = f", for example --target {quote(rest[0])}" if rest else "; none is left besides the path"
    if "," in several:
        way += f", or --target {several} for several labels an image"
    if any(n.lower() in ("xmin", "x_min", "x1", "bbox") for n in table.names):
        way = " and, as it seems to hold boxes, --format boxes"
    return DataError(
        f"{path}: which column holds the truth? Columns: {', '.join(table.names)}. "
        f"Name it with --target{way}."
    )


def _counts_rows(name: str, cells: Sequence[str]) -> bool:
    """Whether a column is only the number of the row, as programs write it in front."""
    if name.lower() not in ("", "index", "id", "unnamed: 0", "row"):
        return False
    return any(list(cells) == [str(n + start) for n in range(len(cells))] for start in (0, 1))


def _sort_out(
    rows: _Kept, table: Columns, ids: list[str], files: list[Path | None], labels: Truths, lookup: Lookup
) -> None:
    """Keep out rows that cannot be used, each with a finding."""
    lines = [f"line {n}" for n in table.broken]
    rows.note("rows-broken", "error", lines, "rows have another number of cells", "Correct these lines.")
    rows.problems += lookup.findings()
    here = np.array([file is not None for file in files])
    lost = [i for i in np.flatnonzero(~here) if not lookup.doubtful(lookup.root / ids[i])]
    gone = [ids[i] or f"line {table.lines[i]}" for i in lost]
    fix = "Put the files there, or take the rows out. Paths are relative to the table's folder."
    rows.note("files-missing", "error", gone, f"files of the table are not below {lookup.top}", fix)
    empty = [ids[i] for i in np.flatnonzero(labels.missing & here)]
    fix = "Fill the cells in, or take the rows out."
    what = "rows have no truth (empty, a word such as NA, or infinite)"
    rows.note("target-missing", "error", empty, what, fix)
    rows.keep &= here & ~labels.missing
    none = [ids[i] for i in labels.empty if rows.keep[i]]
    fix = "Nothing, if these pictures show none of the classes."
    rows.note("no-labels", "info", none, "rows have an empty label cell, taken as none of the classes", fix)
    _repeated(rows, ids, labels)


def _repeated(rows: _Kept, ids: list[str], labels: Truths) -> None:
    """Of rows that name one file, the first is kept."""
    first: dict[str, int] = {}
    values = labels.targets.value
    same: list[str] = []
    other: list[str] = []
    for i in np.flatnonzero(rows.keep).tolist():
        j = first.setdefault(ids[i], i)
        if j == i:
            continue
        rows.keep[i] = False
        (same if torch.equal(values[i], values[j]) else other).append(ids[i])
    fix = "Keep one row a picture."
    rows.note("rows-repeated", "warning", same, "rows repeat an earlier one and were left out", fix)
    what = "rows name a picture again with another truth, and were left out"
    rows.note("rows-contradict", "error", other, what, "Decide which row is right.")


def _read_splits(rows: _Kept, table: Columns, split: str | None, ids: list[str]) -> np.ndarray:
    """(N,) split of each row; unknown words are a finding and count as not given."""
    if split is None:
        return np.full(len(ids), "", dtype=object)
    words = table.column(split)
    wrong = [f"{ids[i]} ({w})" for i, w in enumerate(words) if w.lower() not in _NAMES]
    fix = f"Write train, val or test into the column '{split}'."
    rows.note("split-unknown", "error", wrong, "rows name a split that is not known", fix)
    return np.array([_NAMES.get(w.lower(), "") for w in words], dtype=object)
