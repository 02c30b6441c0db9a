"""Rows of tables of keypoints: the objects of each image, from one row each or one row for each point."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.core.targets.keypoints import HIDDEN, UNLABELED, VISIBLE
from sightline.data.parsing.cells import is_missing, numbers
from sightline.data.parsing.columns import CLASSES, GROUPS, SINGLE_CLASS, SPLITS, column_named, path_column
from sightline.data.parsing.csv import Columns
from sightline.data.parsing.frames import frames_by_number
from sightline.data.parsing.keypoints import KeypointBuilder, placed
from sightline.data.parsing.point_columns import (
    LongColumns,
    PointColumns,
    frame_column,
    long_columns,
    point_columns,
)
from sightline.data.parsing.splits import SPLIT_WORDS, file_beside, names_of
from sightline.errors import DataError

_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_SHOWN = 3


@dataclass
class PoseTable:
    """Objects of a table.

    Attributes:
        names: Of the J points.
        where: Image of each of M objects: its path, or the number of its frame.
        lines: Line of each in the file.
        points: (M, J, 3) x, y and visibility; in pixels, or shares of the image.
        stated: Whether the table states visibility.
        corners: Box of each, or None.
        classes: Of each.
        splits: Of each, or "".
        groups: Of each, or "".
        frames: Whether `where` are numbers of frames.
        sizes: (M, 2) height and width of the image of each, or None.
        shares: Whether points and boxes are shares of the width and height of their image.
        scored: Columns of confidence.
        messages: What was recognized.
    """

    names: tuple[str, ...]
    where: list[str]
    lines: list[int]
    points: NDArray[np.float64]
    stated: bool = False
    corners: NDArray[np.float64] | None = None
    classes: Sequence[str] = ()
    splits: Sequence[str] = ()
    groups: Sequence[str] = ()
    frames: bool = False
    sizes: NDArray[np.float64] | None = None
    shares: bool = False
    scored: tuple[str, ...] = ()
    broken: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def pose_table(path: Path, table: Columns) -> PoseTable:
    """The objects of a table.

    Raises:
        DataError: If it has no columns of points, or a cell is no number.
    """
    if not table.rows:
        raise DataError(f"{path}: no rows below the header {', '.join(table.names)}.")
    long = long_columns(table.names)
    content = _wide(path, table) if long is None else _pivoted(path, table, long)
    content.broken = [f"{path.name} line {n}" for n in table.broken]
    content.messages += table.messages
    _in_shares(content)
    return content


def gather(path: Path, split: str, table: PoseTable, into: KeypointBuilder, groups: list[str]) -> None:
    """Collect the images and objects of one table.

    Raises:
        DataError: If images are named by frames, and none has such a number; or some tables hold shares.
    """
    frames = frames_by_number(path.parent, [int(float(name)) for name in table.where]) if table.frames else {}
    if into.paths and (into.whole is not None) is not table.shares:
        raise DataError(f"{path}: coordinates are shares of the image or pixels, unlike the table before.")
    into.whole = 1.0 if table.shares else None
    unknown = []
    for k, name in enumerate(table.where):
        word = (table.splits[k] if table.splits else "").lower()
        unknown += [f"{path.name} line {table.lines[k]} ({word})"] * bool(word and word not in SPLIT_WORDS)
        place = frames[int(float(name))] if table.frames else file_beside(path.parent, names_of(name))
        size = None if table.sizes is None else _whole(table.sizes[k])
        image = into.add_image(place, SPLIT_WORDS.get(word, "") or split, size, again=True)
        if image == len(groups):
            groups.append(table.groups[k] if table.groups else "")
        box = None if table.corners is None else table.corners[k]
        corners = None if box is None or np.isnan(box).any() else box.tolist()
        if corners is None and not (table.points[k, :, 2] > 0).any():
            continue  # a row for an image that shows nothing
        key = table.classes[k] if table.classes else SINGLE_CLASS
        where = f"{path.name} line {table.lines[k]}"
        into.pose(image, key, table.points[k], where, corners, stated=table.stated)
    into.note(
        "rows-broken", "error", table.broken, "rows have another number of cells", "Correct these lines."
    )
    what = "rows name a split that is not known"
    into.note("split-unknown", "error", unknown, what, "Write train, val or test into the column of splits.")
    what = "columns hold a confidence: the points may be predictions of a model, which are no targets"
    fix = "Nothing, if the points were corrected by hand."
    into.note("keypoints-with-confidence", "warning", table.scored, what, fix)


def points_of(path: Path, table: Columns) -> tuple[PointColumns, NDArray[np.float64], list[str]]:
    """Columns of a table with one row for each object, its points (M, J, 3), and what they were taken from.

    Raises:
        DataError: If there are no such columns, or a cell is no number.
    """
    columns = point_columns(table.names, requested=True)
    if columns is None:
        raise DataError(
            f"{path}: the columns {', '.join(table.names[:12])} hold no pairs of x and y. Expected nose_x, "
            "nose_y, ... or x1, y1, ..."
        )
    xy = np.stack([_values(path, table, columns.x), _values(path, table, columns.y)], 2)
    flags = [_flags(table, name) if name else None for name in columns.visible]
    points, messages = _points(xy, flags)
    pairs = ", ".join(f"{x} and {y}" for x, y in list(zip(columns.x, columns.y, strict=True))[:_SHOWN])
    more = f" and {len(columns.x) - _SHOWN} more" if len(columns.x) > _SHOWN else ""
    return columns, points, [f"pairs of columns are keypoints: {pairs}{more}.", *messages]


def _wide(path: Path, table: Columns) -> PoseTable:
    """Objects of a table with one row each."""
    columns, points, messages = points_of(path, table)
    where, framed = _images(path, table)
    corners = _values(path, table, columns.box) if columns.box else None
    sized = {"height", "width"} <= {*table.names}
    sizes = _values(path, table, ("height", "width")) if sized else None
    roles = {name: column_named(table, words, where) for name, words in
             (("class", CLASSES), ("split", SPLITS), ("group", GROUPS))}  # fmt: skip
    given = {name: [] if column is None else table.column(column) for name, column in roles.items()}
    role = f"image '{where}'" + "".join(f", {name} '{column}'" for name, column in roles.items() if column)
    if roles["class"]:
        messages.append(f"--task classify takes the column '{roles['class']}' alone.")
    scored = tuple(c for c in columns.scores if not all(map(is_missing, table.column(c))))
    return PoseTable(
        columns.names, table.column(where), table.lines, points, any(columns.visible), corners,
        [v or SINGLE_CLASS for v in given["class"]], given["split"], given["group"], framed, sizes,
        scored=scored, messages=[f"{role}.", *messages],
    )  # fmt: skip


def _pivoted(path: Path, table: Columns, columns: LongColumns) -> PoseTable:
    """Objects of a table with one row for each point: those of one image and one track or instance."""
    where, framed = _images(path, table)
    nodes = table.column(columns.node)
    names = tuple(dict.fromkeys(nodes))
    xy = np.column_stack([_values(path, table, [columns.x]), _values(path, table, [columns.y])])
    flags = [_flags(table, columns.visible) if columns.visible else None]
    flat, messages = _points(xy[:, None], flags)
    parts = [table.column(name) for name in (where, *columns.parts)]
    keys = list(zip(*parts, strict=True))
    index = {key: m for m, key in enumerate(dict.fromkeys(keys))}
    points = np.zeros((len(index), len(names), 3))
    lines = [0] * len(index)
    filled: set[tuple[int, str]] = set()
    for n, (key, node) in enumerate(zip(keys, nodes, strict=True)):
        m = index[key]
        if (m, node) in filled:
            raise DataError(
                f"{path}: line {table.lines[n]} has the point '{node}' of {' '.join(key)} a second time. "
                "Several objects in one image need a column track or instance."
            )
        filled.add((m, node))
        points[m, names.index(node)] = flat[n, 0]
        lines[m] = lines[m] or table.lines[n]
    belongs = " and ".join(repr(name) for name in (where, *columns.parts))
    role = f"one row for each point ('{columns.node}'); rows of one {belongs} are an object."
    return PoseTable(names, [key[0] for key in index], lines, points, bool(columns.visible), frames=framed,
                     messages=[role, *messages])  # fmt: skip


def _images(path: Path, table: Columns) -> tuple[str, bool]:
    """The column of images, and whether it holds numbers of frames."""
    frame = frame_column(table.names)
    try:
        return path_column(table, path), False
    except DataError:
        if frame and all(re.fullmatch(r"\d+(\.0*)?", cell) for cell in table.column(frame)):
            return frame, True
        raise


def _values(path: Path, table: Columns, names: Sequence[str]) -> NDArray[np.float64]:
    """(n, K) numbers of some columns; NaN where a cell is empty.

    Raises:
        DataError: If a cell is no number.
    """
    cells = [cell for name in names for cell in table.column(name)]
    try:  # coordinates have no marks between thousands, so that 1.234 is clear here
        plain = [float("nan") if is_missing(cell) else float(cell) for cell in cells]
    except ValueError:
        plain = []
    if plain:
        return np.array(plain).reshape(len(names), -1).T
    read = numbers(cells, table.delimiter, f"{path}: the columns {', '.join(names[:4])}")
    if read is None and any(not is_missing(cell) for cell in cells):
        raise DataError(f"{path}: the columns {', '.join(names[:4])} hold something else than numbers.")
    values = [float("nan")] * len(cells) if read is None else read.values
    return np.array(values, dtype=np.float64).reshape(len(names), -1).T


def _flags(table: Columns, name: str) -> NDArray[np.float64]:
    """(n,) numbers of a column of visibility; NaN where there is none."""
    cells = [cell.lower() for cell in table.column(name)]
    values = numbers([str(_WORDS.get(cell, cell)) for cell in cells], table.delimiter, name)
    return np.full(len(cells), np.nan) if values is None else np.array(values.values)


def _points(
    xy: NDArray[np.float64], flags: Sequence[NDArray[np.float64] | None]
) -> tuple[NDArray[np.float64], list[str]]:
    """(M, J, 3) points, and what their visibility was taken from.

    Columns of 0, 1 and 2 are as in COCO. Of columns of 0 and 1, 0 is hidden where coordinates are given.
    """
    points = np.stack([placed(object_points) for object_points in xy])
    given = [flag for flag in flags if flag is not None]
    if not given:
        return points, []
    coco = any((flag == VISIBLE).any() for flag in given)
    present = points[:, :, 2] > 0
    for j, flag in enumerate(flags):
        if flag is None:
            continue
        if coco:
            points[:, j, 2] = np.where(np.isin(flag, (HIDDEN, VISIBLE)), flag, UNLABELED)
        else:
            somewhere = present[:, j] & (xy[:, j] != 0).any(1)
            points[:, j, 2] = np.where(flag == 1, VISIBLE, np.where(somewhere, HIDDEN, UNLABELED))
    note = (
        "0 is not labeled, 1 hidden, 2 visible"
        if coco
        else "1 is visible, 0 hidden (or, at (0, 0), not labeled)"
    )
    return points, [f"Visibility: {note}."]


def _whole(size: NDArray[np.float64]) -> tuple[int, int] | None:
    """Height and width of two numbers; None where they are not whole."""
    return (int(size[0]), int(size[1])) if np.isfinite(size).all() and (size % 1 == 0).all() else None


def _in_shares(table: PoseTable) -> None:
    """Note whether coordinates are shares of the image: none is above 1, and some are fractions. Tables with
    the size of images, such as we write, count in pixels.
    """
    if table.sizes is not None:
        return
    labeled = table.points[table.points[:, :, 2] > 0][:, :2]
    values = labeled if table.corners is None else np.concatenate([labeled.ravel(), table.corners.ravel()])
    values = values[np.isfinite(values)]
    table.shares = bool(len(values) and values.max() <= 1 and values.min() >= 0 and (values % 1 != 0).any())
    if table.shares:
        table.messages.append(
            "Coordinates are shares of the width and height of the image, as none is above 1."
        )
