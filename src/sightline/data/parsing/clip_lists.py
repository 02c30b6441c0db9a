"""Lists of clips: tables with path, label, start and end; and the lists of UCF101."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightline.core.report import Finding
from sightline.data.io.clips import Segment
from sightline.data.io.video_probe import EXTENSIONS
from sightline.data.parsing.cells import is_missing, is_number, numbers
from sightline.data.parsing.columns import GROUPS, PATHS, SPLITS, TARGETS, column_named
from sightline.data.parsing.csv import Columns, header, read_text
from sightline.data.parsing.findings import listed
from sightline.data.parsing.splits import folders_in, is_folder, is_there
from sightline.data.parsing.tables import WORDS
from sightline.errors import DataError, UnknownName

_PATHS = (
    "path",
    "video",
    "film",
    "clip",
    "video_path",
    "clip_path",
    "filename",
    "video_name",
    "name",
    *PATHS,
)
_TARGETS = ("label", "action", "activity", *TARGETS)
_GROUPS = (*GROUPS, "person", "person_id", "actor", "session", "film", "video", "scene")
_SECONDS = (
    ("start", "start_time", "time_start", "start_sec", "start_seconds", "begin"),
    ("end", "end_time", "time_end", "end_sec", "end_seconds", "stop"),
)
_FRAMES = (("start_frame", "frame_start", "first_frame"), ("end_frame", "frame_end", "last_frame"))
_ENDINGS = "|".join(e[1:] for e in sorted(EXTENSIONS))
_UCF = re.compile(rf"\s*(?P<film>\S.*\.({_ENDINGS}))(\s+(?P<label>[0-9]+))?\s*", re.IGNORECASE)
_LISTS = re.compile(r"(train|test)list(\d*)\.txt$", re.IGNORECASE)


@dataclass
class ClipRows:
    """Clips of a list.

    Attributes:
        paths: Film or folder of frames of each, as it is on disk.
        labels: Class of each.
        splits: "train", "val", "test" or "".
        groups: Group of each, or None.
        segments: Part of each film, or None: all of it.
        columns: Further columns by name.
        findings: What cannot be used.
        messages: What was found out.
    """

    paths: list[Path]
    labels: list[str]
    splits: list[str]
    groups: list[str] | None = None
    segments: list[Segment] | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def is_clip_table(path: Path, wanted: bool) -> bool:
    """Whether a table lists films by its first rows; or, where clips are wanted, paths of anything."""
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    names = [name.lower() for name in header(path)]
    if wanted:
        return any(name in names for name in (*_PATHS, "youtube_id"))
    with path.open("rb") as file:
        lines = file.read(1 << 14).decode("utf-8-sig", "replace").splitlines()[1:20]
    cells = [cell.strip().lower() for line in lines for cell in re.split(r"[,;\t|]", line)]
    films = sum(Path(cell).suffix in EXTENSIONS for cell in cells if cell)
    return bool(lines) and films > len(lines) / 2


def is_ucf_list(path: Path) -> bool:
    """Whether a text file has the lines of UCF101: a film, and perhaps the number of its class."""
    if path.suffix.lower() != ".txt" or not path.is_file():
        return False
    with path.open("rb") as file:
        lines = file.read(1 << 14).decode("utf-8-sig", "replace").splitlines()[:20]
    fit = [_UCF.fullmatch(line) is not None for line in lines[:-1] or lines]
    return any(fit) if _LISTS.match(path.name) else bool(fit) and all(fit)


def read_clip_table(path: Path, target: str | None) -> ClipRows:
    """Clips of a table with the columns path and label, and perhaps split, group, start and end.

    Raises:
        DataError: If the columns are not there, a time is no number, or a clip ends before it starts.
        UnknownName: If the label column that is asked for is not there.
    """
    table = read_text(path)
    where = _films_of(table, path)
    if target is not None and target not in table.names:
        raise UnknownName("column", target, table.names, f"The table is {path}.")
    label = target or column_named(table, _TARGETS, "")
    if label is None:
        raise DataError(f"{path}: no column holds the class of a clip. Columns: {', '.join(table.names)}. "
                        "Name one 'label', or name it with --target.")  # fmt: skip
    split, group = column_named(table, SPLITS, label), _group_column(table, label)
    words = [] if split is None else table.column(split)
    roles = f"Columns: clip {_quoted(table, where)}, label '{label}'"
    roles += "".join(f", {role} '{name}'" for role, name in (("split", split), ("group", group)) if name)
    segments, used = _segments(table, path)
    rows = ClipRows(
        [_found(path.parent, name) for name in where],
        table.column(label),
        [WORDS.get(word.lower(), "") for word in words] or [""] * len(where),
        None if group is None else table.column(group),
        segments,
        messages=[roles + (f", part {' to '.join(map(repr, used))}" if used else "") + ".", *table.messages],
    )
    lines = [f"line {n}" for n in table.broken]
    rows.findings += listed("rows-broken", "error", lines, "rows have another number of cells",
                            "Correct these lines.")  # fmt: skip
    wrong = [f"line {table.lines[i]} ({w})" for i, w in enumerate(words) if w.lower() not in WORDS]
    what, fix = "rows name a split that is not known", f"Write train, val or test into the column '{split}'."
    rows.findings += listed("split-unknown", "error", wrong, what, fix)
    taken = {label, split, group, *used}
    rows.columns = {n: table.column(n) for n in table.names if n not in taken and table.column(n) != where}
    return rows


def read_ucf_lists(path: Path) -> ClipRows:
    """Clips of trainlist01.txt and testlist01.txt, with the classes of classInd.txt or of the folders in the
    paths. Class ids count from 1. Of several divisions the first is read; a named list says which.

    Raises:
        DataError: If a line is none of such a list, or a class id is not in classInd.txt, or contradicts the
            folder of the film.
    """
    folder = path.parent if path.is_file() else path
    names = {p.name: p for p in sorted(folder.glob("*.txt")) if _LISTS.match(p.name)}
    number = _LISTS.match(path.name)
    chosen = number[2] if number else min((m[2] for n in names if (m := _LISTS.match(n))), default="")
    lists = {m[1].lower(): p for n, p in names.items() if (m := _LISTS.match(n)) and m[2] == chosen}
    lists = lists or {"": path}
    rows = ClipRows([], [], [])
    classes = _class_index(folder / "classInd.txt")
    for word, file in lists.items():
        for n, line in _lines(file):
            match = _UCF.fullmatch(line)
            if match is None:
                raise DataError(f"{file}, line {n}: {line!r} is no film, perhaps with the number of its "
                                "class, as Walk/1.avi 2. Correct the line.")  # fmt: skip
            name, label = match["film"].replace("\\", "/"), match["label"]
            folder_class = Path(name).parent.name
            if label and classes and classes.get(int(label)) != folder_class:
                raise DataError(
                    f"{file}, line {n}: {name} has class {label}, which classInd.txt calls "
                    f"{classes.get(int(label), 'nothing')!r}; its folder is {folder_class!r}. "
                    "Class ids count from 1."
                )
            rows.paths.append(_found(folder, name))
            rows.labels.append(folder_class)
            rows.splits.append(word)
    rows.messages.append(f"Read from {' and '.join(p.name for p in lists.values())}; others are not read.")
    return rows


def _films_of(table: Columns, path: Path) -> list[str]:
    """Names of the films of a table; of Kinetics' the names that its films are stored by."""
    low = {name.lower(): name for name in table.names}
    if {"youtube_id", "time_start", "time_end"} <= low.keys():
        starts, ends = (_times(table, path, low[k], "seconds") for k in ("time_start", "time_end"))
        films = []
        rows = zip(table.lines, table.column(low["youtube_id"]), starts, ends, strict=True)
        for n, name, start, end in rows:
            if start is None or end is None:
                raise DataError(f"{path}, line {n}: time_start or time_end is empty, so that the film of "
                                f"{name!r} is not known. Fill it in, or take the row out.")  # fmt: skip
            films.append(f"{name}_{int(start):06d}_{int(end):06d}.mp4")
        return films
    where = column_named(table, _PATHS, "")
    if where is None:
        films = [n for n in table.names if any(Path(c).suffix.lower() in EXTENSIONS for c in table.column(n))]
        where = films[0] if films else None
    if where is None:
        raise DataError(f"{path}: no column holds paths of clips. Columns: {', '.join(table.names)}. "
                        "Name one 'path', with paths relative to the table.")  # fmt: skip
    return table.column(where)


def _group_column(table: Columns, label: str) -> str | None:
    """The column that says what belongs together, unless it holds the path or the class."""
    column = column_named(table, _GROUPS, label)
    if column is None or any(Path(c).suffix.lower() in EXTENSIONS for c in table.column(column)[:1]):
        return None
    return column


def _quoted(table: Columns, where: Sequence[str]) -> str:
    return next((f"'{name}'" for name in table.names if table.column(name) == where), "by youtube_id")


def _segments(table: Columns, path: Path) -> tuple[list[Segment] | None, list[str]]:
    """Part of each film, and the columns that say so. Kinetics' films are cut already."""
    if "youtube_id" in (name.lower() for name in table.names):
        return None, []
    for in_frames, (starts, ends) in ((True, _FRAMES), (False, _SECONDS)):
        start, end = column_named(table, starts, ""), column_named(table, ends, "")
        if start is None and end is None:
            continue
        unit = "frames" if in_frames else "seconds"
        firsts, lasts = (_times(table, path, column, unit) for column in (start, end))
        segments = [Segment(a or 0.0, b, in_frames) for a, b in zip(firsts, lasts, strict=True)]
        for n, part in zip(table.lines, segments, strict=True):
            if part.end is not None and part.end < part.start:
                raise DataError(
                    f"{path}, line {n}: the clip ends ({part.end:g}) before it starts ({part.start:g}). "
                    f"'{start}' and '{end}' are {unit} from 0."
                )
        return segments, [name for name in (start, end) if name]
    return None, []


def _times(table: Columns, path: Path, column: str | None, unit: str) -> list[float | None]:
    """Numbers of a column; None where a cell is empty, and everywhere if there is no column.

    Raises:
        DataError: If a cell is no number, or lies before 0.
    """
    cells = table.column(column) if column else [""] * len(table.rows)
    read = numbers(cells, table.delimiter, f"{path}: column '{column}'")
    values = [math.nan] * len(cells) if read is None else read.values
    for n, cell, value in zip(table.lines, cells, values, strict=True):
        wrong = not is_number(cell) if read is None else not 0 <= value < math.inf
        if wrong and not is_missing(cell):
            raise DataError(f"{path}, line {n}: '{column}' {cell!r} is no number of {unit} from 0. "
                            "Write it as 12 or 12.5, or leave it empty.")  # fmt: skip
    if read is None and any(map(is_number, cells)):
        raise DataError(f"{path}: '{column}' is written in several ways. Write decimals with a point.")
    return [None if math.isnan(value) else value for value in values]


def _class_index(file: Path) -> dict[int, str]:
    """Names of the classes by number, as classInd.txt of UCF101 gives them; none where it is not there.

    Raises:
        DataError: If a line has no number and name.
    """
    names = {}
    for n, line in _lines(file) if is_there(file) else ():
        number, *name = line.split(maxsplit=1)
        if not (number.isdecimal() and name):
            raise DataError(f"{file}, line {n}: {line!r} is no number and name of a class, as 1 Run.")
        names[int(number)] = name[0]
    return names


def _lines(file: Path) -> list[tuple[int, str]]:
    """Lines of a text file that hold something, with their numbers from 1.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text ({error}). Save it as UTF-8.") from error
    return [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]


def _found(folder: Path, name: str) -> Path:
    """A film or folder of frames, by its path from the folder of the list, the one above, or one in these."""
    name = name.replace("\\", "/")
    for base in (folder, *folders_in(folder), folder.parent, *folders_in(folder.parent)):
        if name and (is_there(base / name) or is_folder(base / name)):
            return base / name
    return folder / name
