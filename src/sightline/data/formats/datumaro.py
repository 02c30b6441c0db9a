"""Datumaro: a JSON file for each split, with boxes, polygons, masks or labels of its items.

Source: the "Datumaro format" page of the Datumaro framework: `bbox` is [x, y, width, height] and `points` are
x1, y1, x2, y2, ... in pixels from 0; masks are COCO's run-length codes; `label_id` is the place in
`categories.label.labels`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.each import whole_size
from sightline.data.parsing.instances import numbers
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.labeled import labeled, of_lists
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import decoded, ring
from sightline.data.parsing.splits import annotation_files, by_split, is_there
from sightline.errors import DataError

CARD = FormatCard(
    name="datumaro",
    summary="Datumaro: a JSON file of boxes, polygons, masks or labels for each split",
    recognized_by="annotations/train.json with categories and items, and images/train/a.jpg",
    target_types=("instances", "outlines", "label"),
)
_BOXES, _OUTLINES = ("bbox",), ("polygon", "mask")
_TEXTS = {"caption"}
"""Annotations that are sentences."""


@dataclass(frozen=True)
class _Item:
    """One item: its image, split, size, shapes, and image labels."""

    path: Path
    split: str
    size: tuple[int, int] | None
    shapes: list[dict[str, Any]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High for a JSON file with categories and items."""
    del options
    return 0.97 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all items with the boxes, or the masks, of their shapes; with labels if there are no shapes.

    Of a box and an outline in one group the one that is wanted is taken. Splits are those of the file names.

    Raises:
        DataError: If there is no such file, or it is not as Datumaro has it.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no Datumaro annotation at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    names: list[str] = []
    items = [item for path, split in chosen for item in _items(path, split, names)]
    top = root if root.is_dir() else root.parent
    shaped = any(item.shapes for item in items)
    if options.target_type == "label" or (
        options.target_type is None and not shaped and any(i.labels for i in items)
    ):
        if not any(item.labels for item in items):
            raise DataError(
                f"{root}: no item has a label for its whole image. --task detect takes its boxes."
            )
        paths, splits = [item.path for item in items], [item.split for item in items]
        result = of_lists([item.labels for item in items])
        return labeled(root, top, CARD.name, paths, splits, result, notes)
    shapes = targets_of(partial(_gather, items, names), top, options, written="sizes")
    return shapes.into.dataset(root, CARD.name, Classes(tuple(names)), names, [*notes, *shapes.messages])


def _files(root: Path) -> list[Path]:
    """Datumaro's files: in `annotations`, or in the folder itself."""
    return annotation_files(root, ("annotations",), (".json",), _like)


def _like(path: Path) -> bool:
    text = glance(path)
    return text.startswith("{") and all(f'"{key}"' in text for key in ("categories", "items", "id"))


def _items(path: Path, split: str, names: list[str]) -> list[_Item]:
    """The items of one file; adds its class names to those that are known.

    Raises:
        DataError: If it has no class table or items, or another class table than the file before.
    """
    data = read_json(path)
    table = data.get("categories") if isinstance(data, dict) else None
    labels = table.get("label") if isinstance(table, dict) else None
    rows = labels.get("labels") if isinstance(labels, dict) else None
    items = data.get("items") if isinstance(data, dict) else None
    if (
        not isinstance(rows, list)
        or not isinstance(items, list)
        or not all(isinstance(i, dict) for i in items)
    ):
        raise DataError(
            f"{path}: has no categories.label.labels, or no items. Export it from Datumaro again."
        )
    mine = [str(row.get("name", "")) if isinstance(row, dict) else str(row) for row in rows]
    if names and names != mine:
        raise DataError(
            f"{path}: its classes are {', '.join(mine)}; before that, {', '.join(names)}. Expected one table."
        )
    names[:] = mine
    base = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    return [_item(entry, base, path.stem, split, mine) for entry in items]


def _item(entry: dict[str, Any], base: Path, subset: str, split: str, names: list[str]) -> _Item:
    """One item."""
    media = entry.get("image") or entry.get("media") or {}
    media = media if isinstance(media, dict) else {}
    size = media.get("size")
    height, width = size if isinstance(size, list) and len(size) == 2 else (None, None)
    name = str(media.get("path") or entry.get("id", ""))
    tops = (base / "images" / subset, base / "images", base)
    endings = ("",) if Path(name).suffix.lower() in ALL_EXTENSIONS else tuple(sorted(ALL_EXTENSIONS))
    tried = [top / f"{name}{ending}" for top in tops for ending in endings]
    path = next((p for p in tried if is_there(p)), tried[0])
    item = _Item(path, split, whole_size(height, width))
    given = entry.get("annotations")
    for thing in given if isinstance(given, list) else []:
        kind = thing.get("type") if isinstance(thing, dict) else None
        if kind == "label":
            item.labels.extend(n for n in [_name(thing, names)] if n is not None)
        elif kind not in _TEXTS:
            item.shapes.append(thing if isinstance(thing, dict) else {})
    return item


def _name(thing: dict[str, Any], names: list[str]) -> str | None:
    number = thing.get("label_id")
    return names[number] if isinstance(number, int) and 0 <= number < len(names) else None


def _gather(items: list[_Item], names: list[str], drawing: Drawing) -> None:
    """Gather all images and shapes."""
    for item in items:
        image = drawing.into.add_image(item.path, item.split, item.size)
        kinds: dict[str, set[str]] = {}
        for k, thing in enumerate(item.shapes):
            kinds.setdefault(_group(thing, k), set()).add(str(thing.get("type")))
        for k, thing in enumerate(item.shapes):
            kind, both = str(thing.get("type")), kinds[_group(thing, k)]
            doubled = both & {*_BOXES} and both & {*_OUTLINES}
            if doubled and kind in (_BOXES if drawing.outlined else _OUTLINES):
                continue
            label, where = _name(thing, names), f"{item.path.name} annotation {thing.get('id', k)}"
            if label is None:
                drawing.bare(f"{where}: no class")
            else:
                _shape(thing, kind, image, label, f"{where} ({label})", drawing)


def _group(thing: dict[str, Any], k: int) -> str:
    """Group id of a shape; a new one if it has none."""
    return f"group {thing['group']}" if thing.get("group") else f"alone {k}"


def _shape(thing: dict[str, Any], kind: str, image: int, label: str, where: str, drawing: Drawing) -> None:
    """Gather one shape."""
    points = ring(thing.get("points"))
    if kind == "bbox":
        box = numbers(thing.get("bbox"), 4)
        if box is None:
            drawing.bare(f"{where}: bbox is not four numbers")
            return
        x, y, w, h = box
        drawing.box(image, label, (x, y, x + w, y + h), where)
    elif kind == "polygon" and points is not None:
        drawing.polygon(image, label, [points], where)
    elif kind == "ellipse" and points is not None and len(points) == 2:
        radii = abs(points[1] - points[0]) / 2
        drawing.ellipse(image, label, points.mean(0).tolist(), radii.tolist(), 0.0, where)
    elif kind == "mask":
        try:
            code = thing.get("rle")
            part, size = decoded(code if isinstance(code, dict) else {})
        except ValueError as error:
            drawing.broken(f"{where} (run-length code: {error})")
            return
        drawing.mask(image, label, part, where, size)
    elif kind in ("polygon", "ellipse"):
        drawing.broken(f"{where}: points are no numbers x1, y1, x2, y2, ...")
    else:
        drawing.other(f"a {kind}", where)
