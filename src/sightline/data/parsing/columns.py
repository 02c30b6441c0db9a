"""Roles of table columns: image, target, split, group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.cells import filled, is_number
from sightline.data.parsing.csv import Columns
from sightline.data.parsing.label_lists import requested_columns
from sightline.data.parsing.paths import Lookup
from sightline.data.parsing.targets import is_flags
from sightline.errors import DataError, UnknownName

PATHS = (
    "path", "image", "file", "filename", "file_name", "filepath", "image_path", "img", "picture", "image_id",
    "imageid",
)  # fmt: skip
TARGETS = (
    "label", "labels", "class", "target", "y", "category", "tags", "class_name", "classname", "label_name",
    "category_name", "class_id", "classid", "label_id", "category_id", "identity",
)  # fmt: skip
SPLITS = ("split", "set", "subset", "partition")
GROUPS = ("group", "group_id", "patient", "patient_id", "subject", "subject_id")
SEQUENCES = ("sequence", "sequence_id", "video", "video_id", "clip", "clip_id", "film")
FRAMES = ("frame", "frame_id", "frame_number", "frame_index")
CLASSES = (
    "class", "label", "category", "class_name", "classname", "label_name", "labelname", "species",
)  # fmt: skip
"""Columns of the class of an object."""
SINGLE_CLASS = "object"
"""Name of the class of objects where none is given."""
CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"))
"""Columns of x1, y1, x2, y2 of a box."""
_FIRST = 50
"""Cells of a column that tell what it holds."""
_RUNS = re.compile(r"\d+ \d+( \d+ \d+)*")
_MAX_SHOWN = 12
_MOSTLY = 0.9
_PIXELS = 50
"""Columns of one name and a number, from which on they are pixels."""


def column_named(table: Columns, names: Sequence[str], taken: str) -> str | None:
    """The first column of one of these names."""
    low = {n.lower(): n for n in table.names if n != taken}
    return next((low[n] for n in names if n in low), None)


def path_column(table: Columns, path: Path) -> str:
    """Column of image paths: by content, and by name if several match.

    Raises:
        DataError: If none does.
    """
    fitting = [n for n in table.names if _name_images(table.column(n))]
    usual = [n for n in table.names if n.lower() in PATHS]
    both = [n for n in fitting if n in usual]
    best = both or fitting or usual
    best = best or [n for n in table.names if _are_images(n, table.column(n), path.parent)]
    if not best:
        raise DataError(
            f"{path}: no column holds paths of images. Columns: {_listed(table.names)}. {_in_cells(table)}"
            "Name one 'path', with paths relative to the table."
        )
    if len(best) > 1:
        order = [p for p in PATHS if p in {b.lower() for b in best}]
        best = [b for b in best if order and b.lower() == order[0]] or best
    return best[0]


def _name_images(cells: Sequence[str]) -> bool:
    """Whether most of the first cells end as the names of images do."""
    some = [c for c in cells[:_FIRST] if c]
    return sum(Path(c).suffix.lower() in ALL_EXTENSIONS for c in some) > len(some) / 2


def _are_images(name: str, cells: Sequence[str], folder: Path) -> bool:
    """Whether a column is called an id or name, and most of its first cells are images without ending."""
    if not re.search(r"(^|_|\b)id(_|\b)|id$|image|img|file|name|pic|photo|scan", name.lower()):
        return False
    some = [c for c in cells[:_FIRST] if c]
    lookup = Lookup(folder)
    readable = [lookup.find(folder / c) is not None or lookup.doubtful(folder / c) for c in some]
    return sum(readable) > len(some) / 2


def _in_cells(table: Columns) -> str:
    """That the images are in the table itself, where they are; "" where not."""
    numbered = sum(bool(re.fullmatch(r"\D*\d+(x\d+)?", name)) for name in table.names)
    inside = [n for n in table.names if table.rows and len(table.column(n)[0].split()) >= _PIXELS]
    if numbered < _PIXELS and not inside:
        return ""
    where = f"the column '{inside[0]}'" if inside else "columns"
    return f"It seems to hold the pixels themselves in {where}: write them as image files. "


def _listed(names: Sequence[str]) -> str:
    """Names of columns, the first of many."""
    return ", ".join(names[:_MAX_SHOWN]) + (
        f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    )


def target_columns(
    table: Columns, target: str | None, taken: set[str | None], path: Path
) -> tuple[list[str], str]:
    """Columns of the target: as asked, or by name, or the only one left, or all that are left and are 0 and
    1; and what divides several labels in a cell, where that was said.

    Raises:
        DataError: If none is sure, or it holds images.
        UnknownName: If one that is asked for is not there.
    """
    if target is not None:
        names, mark = requested_columns(target, table.names)
        for name in names:
            if name not in table.names:
                raise UnknownName("column", name, table.names, f"The table is {path}.")
        return names, mark
    usual = column_named(table, TARGETS, "")
    rest = [n for n in table.names if n not in taken and not _counts_rows(n, table.column(n))]
    flags = len(rest) > 1 and all(is_flags(table.column(n)) for n in rest)
    chosen = [usual] if usual is not None and usual not in taken else rest
    if flags and chosen != rest and is_flags(table.column(chosen[0])):
        chosen = rest
    runs = [n for n in rest if _like_runs(table.column(n))]
    if runs:
        raise DataError(
            f"{path}: the column '{runs[0]}' holds run-length codes of masks, which are not read here. "
            "Write them as PNG masks or as COCO; or name a column with labels with --target."
        )
    if len(chosen) > 1 and not flags:
        raise _unsure(table, rest, path)
    for name in chosen:
        if _name_images(table.column(name)):
            raise DataError(
                f"{path}: the column '{name}' holds names of images, which are no target of a table. Masks "
                "are read from folders images/ and masks/; name another column with --target."
            )
    if not chosen:
        raise _unsure(table, rest, path)
    return chosen, ""


def _unsure(table: Columns, rest: Sequence[str], path: Path) -> DataError:
    """Error text if the target column is ambiguous."""
    several = [n for n in rest if is_flags(table.column(n))]
    likely = next((n for n in rest if _repeats(table.column(n))), rest[0] if rest else "")
    way = f", for example --target {quote(likely)}" if rest else "; none is left besides the path"
    if len(several) > 1:
        way += f", or --target {quote(','.join(several))} for several labels an image"
    if any(n.lower() in ("xmin", "x_min", "x1", "bbox") for n in table.names):
        way = " and, as it seems to hold boxes, --format boxes"
    return DataError(
        f"{path}: which column holds the target? Columns: {_listed(table.names)}. Name it with --target{way}."
    )


def _repeats(cells: Sequence[str]) -> bool:
    """Whether a column holds a few words, each several times, as classes do."""
    kinds = {*filled(cells)}
    return 1 < len(kinds) <= len(cells) / 3 and not all(map(is_number, kinds))


def _like_runs(cells: Sequence[str]) -> bool:
    """Whether a column holds run-length codes: pairs of numbers, and nearly no two cells alike."""
    some = filled(cells)
    run_lengths = [c for c in some if _RUNS.fullmatch(c) and len(c.split()) % 2 == 0]
    return (
        bool(some) and len(run_lengths) >= len(some) * _MOSTLY and len({*run_lengths}) > len(run_lengths) / 2
    )


def _counts_rows(name: str, cells: Sequence[str]) -> bool:
    """Whether a column is only the number of the row, as programs write it in front."""
    if name.lower() not in ("", "index", "id", "unnamed: 0", "row"):
        return False
    return any(list(cells) == [str(n + start) for n in range(len(cells))] for start in (0, 1))
