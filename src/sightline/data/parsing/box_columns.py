"""Columns of a table of boxes by their roles: image, corners or sizes, class, size of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.data.parsing.columns import CLASSES, CORNERS, GROUPS, PATHS, SINGLE_CLASS, SPLITS
from sightline.data.parsing.csv import Columns
from sightline.errors import UnknownName

_CLASSES = (*CLASSES, "name")
_IDS = ("class_id", "label_id", "category_id")
_CORNERS = (*CORNERS, ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_SIZED = (("x", "y", "width", "height"), ("x", "y", "w", "h"))
_TEXTS = ("bbox", "box", "bounding_box", "boundingbox")
"""Columns with the four numbers of a box in one cell: [x, y, width, height]."""
_SIZES = (("image_height", "image_width"), ("img_height", "img_width"), ("height", "width"))
_MORE = {
    "split": SPLITS,
    "group": GROUPS,
    "difficult": ("difficult",),
    "crowd": ("crowd", "iscrowd", "isgroupof"),
    "area": ("area",),
}
_NO_CLASSES = ("", "source", "id", "index", "confidence", "unnamed: 0", "annotation_id", "image_name")
"""Columns that are known to be no classes."""


@dataclass
class BoxColumns:
    """Columns of a box table by their roles.

    Attributes:
        path: The image.
        box: Its four numbers, or the one column that holds all of them.
        sized: Whether these are x, y, width, height.
        name: The class, or "" where only ids are given, or nothing (all are of one class).
        number: The class id, or "".
        size: Height and width of the image, or None.
        more: Further roles (split, group, difficult, crowd, area) that there are.
    """

    path: str
    box: tuple[str, ...]
    sized: bool
    name: str
    number: str
    size: tuple[str, str] | None
    more: dict[str, str]


def box_columns(names: Sequence[str], target: str | None) -> BoxColumns | None:
    """Roles of the columns, or None if it is no table of boxes.

    Raises:
        UnknownName: If the target is none of them.
    """
    by_lower_name = {name.lower(): name for name in reversed(names)}
    if target is not None and target not in names:
        raise UnknownName("column", target, names)

    def first(wanted: Sequence[str]) -> str:
        return next((by_lower_name[w] for w in wanted if w in by_lower_name), "")

    corners = next((c for c in _CORNERS if all(n in by_lower_name for n in c)), None)
    sized = next((c for c in _SIZED if all(n in by_lower_name for n in c)), None)
    text = first(_TEXTS)
    box = corners or sized or ((text,) if text else None)
    path, name, number = first(PATHS), target or first(_CLASSES), first(_IDS)
    if box is None or not path:
        return None
    sizes = [pair for pair in _SIZES if all(n in by_lower_name and n not in box for n in pair)]
    more = {role: first(wanted) for role, wanted in _MORE.items() if first(wanted)}
    taken = {
        path,
        *(by_lower_name[n.lower()] for n in box),
        *(by_lower_name[n] for pair in sizes for n in pair),
        *more.values(),
    }
    rest = [n for n in names if n not in taken and n.lower() not in _NO_CLASSES]
    if not (name or number) and rest:  # one of them may be the class
        return None
    return BoxColumns(
        path=path,
        box=tuple(by_lower_name[n.lower()] for n in box),
        sized=corners is None,
        name=name,
        number=number,
        size=(by_lower_name[sizes[0][0]], by_lower_name[sizes[0][1]]) if sizes else None,
        more=more,
    )


def describe_columns(path: Path, roles: BoxColumns, table: Columns) -> list[str]:
    """Message about the roles of the columns."""
    form = "as x, y, width, height" if roles.sized else "as corners"
    kind = (
        f"class '{roles.name or roles.number}'"
        if roles.name or roles.number
        else f"one class, '{SINGLE_CLASS}'"
    )
    used = {roles.path, roles.name, roles.number, *roles.box, *(roles.size or ()), *roles.more.values()}
    rest = [n for n in table.names if n not in used]
    aside = f"; not used: {', '.join(map(repr, rest))}" if rest else ""
    return [f"{path.name}: image '{roles.path}', box {', '.join(roles.box)} ({form}), {kind}{aside}."]
