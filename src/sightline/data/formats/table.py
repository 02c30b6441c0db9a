"""Tables: one row for each image, with its path, its target, and perhaps its split and group."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.io.pixels import Files
from sightline.data.parsing.columns import (
    FRAMES,
    GROUPS,
    SEQUENCES,
    SPLITS,
    column_named,
    path_column,
    target_columns,
)
from sightline.data.parsing.content import content
from sightline.data.parsing.csv import Columns, is_spaced, read_text
from sightline.data.parsing.findings import unseen
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.paths import Lookup
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.tables import WORDS, Rows, by_split, is_form, open_tables, partition
from sightline.data.parsing.targets import TargetBuilder, parse_targets
from sightline.errors import DataError, MissingExtra

CARD = FormatCard(
    name="table",
    summary="a CSV, TSV or Parquet table of paths with labels or numbers",
    recognized_by="labels.csv with the columns path and label (or numbers), perhaps split and group; or "
    "one a "
    "split: train.csv and test.csv, or train/_classes.csv and test/_classes.csv",
    target_types=("label", "number"),
    writes=True,
)


@dataclass
class _UsedRows:
    """Rows that are used, and findings."""

    keep: np.ndarray
    read_findings: list[Finding] = field(default_factory=list)

    def note(self, name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> None:
        """Record a finding, if it has items."""
        if items:
            shown = ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
            text = f"{len(items)} {message}: {shown}."
            self.read_findings.append(Finding(name, severity, text, fix, len(items), tuple(items)))


def sniff(source: str, options: ReadOptions) -> float:
    """By the file's extension; for a folder, high if it has a table for each split."""
    path = Path(source)
    if path.is_dir():
        wanted = options.target_type in (None, *CARD.target_types)
        return 0.93 if wanted and by_split(path, options.target) else 0.0
    if path.suffix.lower() == ".txt":
        return 0.95 if is_spaced(path) else 0.0
    return 0.95 if path.suffix.lower() in (".csv", ".tsv", ".parquet") and path.is_file() else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all rows with an image and a target; findings about the others are in `read_findings`.

    Paths are relative to the table's folder. Of a folder with a table for each split all are read. How the
    target column is read, see `parsing.targets.parse_targets`.

    Raises:
        DataError: If the table cannot be read, or none of its images is there.
        UnknownName: If the target column is not in it.
        MissingExtra: For Parquet without pyarrow.
    """
    path = Path(source)
    if not path.is_file() and not by_split(path, options.target):
        raise DataError(f"There is no table '{path}'. Expected {CARD.recognized_by}.")
    rows = open_tables(
        path, options.target, lambda p: _parquet(p) if p.suffix.lower() == ".parquet" else read_text(p)
    )
    table = rows.table
    if not table.rows:
        raise DataError(f"{path}: no rows below the header {', '.join(table.names)}.")
    where = path_column(table, path)
    split, group = column_named(table, SPLITS, where), column_named(table, GROUPS, where)
    columns, mark = target_columns(table, options.target, {where, split, group}, path)
    cells = [table.column(c) for c in columns]
    labels = parse_targets(columns, cells, options.target_type, str(path), table.delimiter, mark)
    rows_kept = _UsedRows(np.ones(len(table.rows), dtype=bool), labels.read_findings)
    lookup = Lookup(rows.root)
    files, ids = _files(rows, table.column(where), split, lookup)
    _sort_out(rows_kept, rows, ids, files, labels, lookup)
    splits, notes = _read_splits(rows_kept, rows, split, ids, path, where)
    _refuse_useless(rows_kept, path, ids)
    used = np.flatnonzero(rows_kept.keep)
    targets = labels.targets[torch.from_numpy(used)]
    if labels.classes is not None and not getattr(targets, "multilabel", False):
        rows_kept.read_findings += unseen(labels.classes.names, targets.value.numpy(), splits[used])
    further, places = _further(table, {where, split, group, *columns}), _sequences(table, where)
    if places is not None and group is None:  # frames of one sequence are alike: no split may part them
        group = places.name
    roles = _roles(where, columns, split, group, places, further)
    return Dataset(
        name=path.stem,
        format=CARD.name,
        ids=[ids[i] for i in used.tolist()],
        pixels=Files([file for i in used.tolist() if (file := files[i]) is not None]),
        targets=targets,
        classes=labels.classes,
        splits=splits[used],
        groups=None if group is None else np.array(table.column(group), dtype=object)[used],
        sequences=None if places is None else places.sequences[used],
        frames=None if places is None else places.frames[used],
        columns={name: values[used] for name, values in further.items()},
        root=path,
        outputs=labels.outputs,
        read_findings=tuple(rows_kept.read_findings),
        messages=(
            "Columns: " + ", ".join(roles) + ".",
            *rows.messages,
            *table.messages,
            *labels.messages,
            *notes,
        ),
    )


def _refuse_useless(used: _UsedRows, path: Path, ids: Sequence[str]) -> None:
    """Note a form to be filled in; raise DataError if no row can be used."""
    if is_form(path):
        what = "rows are of a form for answers by its name, which holds no target"
        fix = "Name the table with the labels of the training part."
        used.note("target-to-fill-in", "error", ids, what, fix)
    if not used.keep.any():
        raise DataError(f"{path}: none of the {len(ids)} rows can be used. {used.read_findings[-1].message}")


def _roles(
    where: str, columns: Sequence[str], split: str | None, group: str | None, places: Any, further: Any
) -> list[str]:
    """What each column is taken for, in words."""
    roles = [f"image '{where}'", f"target {', '.join(map(repr, columns))}"]
    roles += [f"{role} '{name}'" for role, name in (("split", split), ("group", group)) if name]
    roles += [f"sequence '{places.name}' in the order of '{places.frame}'"] if places else []
    rest = [name for name in further if places is None or name not in (places.name, places.frame)]
    return roles + ([f"kept and not used {', '.join(map(repr, rest))}"] if rest else [])


@dataclass(frozen=True)
class _Places:
    """Columns that say where each row lies in a sequence, by name, and what they hold."""

    name: str
    frame: str
    sequences: np.ndarray
    frames: np.ndarray


def _sequences(table: Columns, where: str) -> _Places | None:
    """The sequences of a table that has a column of these and one of whole numbers for the frames."""
    name, frame = column_named(table, SEQUENCES, where), column_named(table, FRAMES, where)
    if name is None or frame is None:
        return None
    cells = table.column(frame)
    if not all(cell.isdecimal() for cell in cells):
        return None
    sequences = np.array(table.column(name), dtype=object)
    return _Places(name, frame, sequences, np.array(cells, dtype=np.int64))


def _further(table: Columns, taken: set[str | None]) -> dict[str, np.ndarray]:
    """Columns that say something else of each row, as text."""
    return {n: np.array(table.column(n), dtype=object) for n in table.names if n not in taken}


def write(dataset: Dataset, folder: Path) -> Path:
    """Write `labels.csv` and the images under `images/`; files are copied, arrays become PNG.

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
    header += (further := [name for name in dataset.columns if name not in header])
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i, cells in enumerate(_cells(dataset)):
            data, ending = content(dataset.pixels, i)
            name = f"images/{i:06d}{ending}"
            (folder / name).write_bytes(data)
            split = [dataset.splits[i]] if any(dataset.splits) else []
            group = [] if dataset.groups is None else [str(dataset.groups[i])]
            more = [dataset.columns[column][i] for column in further]
            writer.writerow([name, *cells, *split, *group, *more])
    return folder / "labels.csv"


def _header(dataset: Dataset) -> list[str]:
    if dataset.target_type == "number":
        return list(dataset.outputs) or ["number"]
    return ["labels" if dataset.targets_as(ClassLabels).multilabel else "label"]


def _cells(dataset: Dataset) -> Iterator[list[str]]:
    """The target cells of each row."""
    if dataset.target_type == "number":
        yield from ([repr(v) for v in row] for row in dataset.targets_as(RegressionValues).value.tolist())
        return
    if dataset.classes is None:
        raise DataError("Labels without a class table cannot be written as a table.")
    names = dataset.classes.names
    if any("|" in name for name in names):
        raise DataError("A class name with '|' cannot be written to a table, where it divides labels.")
    for value in dataset.targets_as(ClassLabels).value:
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
            f"{path}: the column '{name}' holds images or records, not text or numbers. "
            "Write the images to files and their paths into a column."
        )
    return str(value).strip()


def _files(
    rows: Rows, names: Sequence[str], split: str | None, lookup: Lookup
) -> tuple[list[Path | None], list[str]]:
    """File of each row, or None where it is not there; and its name. Of several that fit the one in the
    folder of the row's split is meant, or of the split that the table is called after."""
    split_names = (
        rows.splits if split is None else [WORDS.get(w.lower(), "") for w in rows.table.column(split)]
    )
    files, ids = [], []
    for name, folder, word in zip(names, rows.folders, split_names, strict=True):
        file = lookup.find(folder / name, likely=word or rows.likely) if name else None
        files.append(file)
        ids.append(name if file is None else name_of(file, rows.root))
    return files, ids


def _sort_out(
    rows_kept: _UsedRows,
    rows: Rows,
    ids: list[str],
    files: list[Path | None],
    labels: TargetBuilder,
    lookup: Lookup,
) -> None:
    """Remove rows that cannot be used, each with a finding."""
    table = rows.table
    rows_kept.note(
        "rows-broken", "error", rows.broken, "rows have another number of cells", "Correct these lines."
    )
    rows_kept.read_findings += lookup.findings()
    here = np.array([file is not None for file in files])
    lost = [i for i in np.flatnonzero(~here) if not lookup.doubtful(rows.folders[i] / ids[i])]
    gone = [ids[i] or f"line {table.lines[i]}" for i in lost]
    fix = "Put the files there, or take the rows out. Paths are relative to the table's folder."
    rows_kept.note("files-missing", "error", gone, f"files of the table are not below {lookup.top}", fix)
    empty = [ids[i] for i in np.flatnonzero(labels.missing & here)]
    fix = "Fill the cells in, or take the rows out."
    what = "rows have no target (empty, a word such as NA, or infinite)"
    rows_kept.note("target-missing", "error", empty, what, fix)
    rows_kept.keep &= here & ~labels.missing
    none = [ids[i] for i in labels.empty if rows_kept.keep[i]]
    fix = "Nothing, if these images show none of the classes."
    rows_kept.note(
        "no-labels", "info", none, "rows have an empty label cell, taken as none of the classes", fix
    )
    _repeated(rows_kept, ids, labels)


def _repeated(rows: _UsedRows, ids: list[str], labels: TargetBuilder) -> None:
    """Keep the first of several rows that name one file."""
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
    fix = "Keep one row an image."
    rows.note("rows-repeated", "warning", same, "rows repeat an earlier one and were left out", fix)
    what = "rows name an image again with another target, and were left out"
    rows.note("rows-contradict", "error", other, what, "Decide which row is right.")


def _read_splits(
    rows_kept: _UsedRows, rows: Rows, split: str | None, ids: list[str], path: Path, where: str
) -> tuple[np.ndarray, list[str]]:
    """(N,) split of each row, and notes on it; unknown words are a finding and count as not given."""
    if split is None:
        row_splits, notes = (rows.splits, []) if path.is_dir() else partition(path, rows.table.column(where))
        return np.array(row_splits or [""] * len(ids), dtype=object), notes
    words = rows.table.column(split)
    wrong = [f"{ids[i]} ({w})" for i, w in enumerate(words) if w.lower() not in WORDS]
    fix = f"Write train, val or test into the column '{split}'."
    rows_kept.note("split-unknown", "error", wrong, "rows name a split that is not known", fix)
    return np.array([WORDS.get(w.lower(), "") for w in words], dtype=object), []
