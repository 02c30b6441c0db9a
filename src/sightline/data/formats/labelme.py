"""labelme: a JSON file for each image, with polygons, rectangles, circles and masks in pixels.

Source: what labelme 3 to 5 writes ("shapes", "imagePath", "imageData", "imageHeight", "imageWidth"). Points
are pixels from 0, as floats. The corners of a rectangle come in any order; a circle is its centre and a point
on its edge; a mask is a PNG in base64 whose top left pixel is at the first of its points. X-AnyLabeling
writes the same with rectangles of four corners, and a mark `difficult`.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import stored
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.each import below, some_like, split_below, whole_size
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import ring
from sightline.data.parsing.splits import is_there, name_of
from sightline.data.parsing.writing import BOXES_AND_MASKS, Item, all_split, class_table, items
from sightline.errors import DataError, UnreadableImage
from sightline.ops.contours import Polygon, join_polygons, trace

CARD = FormatCard(
    name="labelme",
    summary="labelme: a JSON file of polygons, rectangles and circles for each image",
    recognized_by="a.json with shapes and imagePath beside a.jpg, perhaps in train/, val/ and test/",
    target_types=("instances", "outlines"),
    writes=True,
)
_ASIDE = ("__ignore__", "_background_")  # labelme's own names for what is no class


def sniff(source: str, options: ReadOptions) -> float:
    """High for JSON files with labelme's shapes."""
    del options
    root = Path(source)
    if root.is_dir():
        return 0.97 if some_like(root, ".json", _like) else 0.0
    return 0.97 if root.suffix.lower() == ".json" and _like(root) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that have a JSON file, with the boxes, or the masks, of what is drawn.

    Polygons of one class and group are one object. Splits are those of the folders. Classes are in the order
    of labels.txt, if that is there, else sorted.

    Raises:
        DataError: If there is no such file, or one is no sound JSON.
    """
    root = Path(source)
    files = [path for path in below(root, ".json") if _like(path)] if root.is_dir() else [root]
    if not files or not files[0].is_file():
        raise DataError(f"There are no labelme files at '{root}'. Expected {CARD.recognized_by}.")
    top = root if root.is_dir() else root.parent
    entries = [(path, _lean(read_json(path))) for path in files]
    embedded: list[str] = []
    ignored: list[str] = []

    def gather(drawing: Drawing) -> None:
        embedded.clear()
        ignored.clear()
        for path, entry in entries:
            image = drawing.into.add_image(_image_path(path, entry), split_below(path, top), _size(entry))
            if entry.get("imageData") and not is_there(drawing.into.paths[image]):
                embedded.append(name_of(path, top))
            ignored.extend(_shapes(entry, image, name_of(path, top), drawing))

    drawing = targets_of(gather, top, options)
    what = "images are only inside their JSON (imageData), not there as files"
    fix = "Write them beside the JSON, under the name of imagePath; imageData is base64 of the file."
    drawing.into.note("images-embedded", "error", embedded, what, fix)
    notes = [f"Shapes called {', '.join(sorted(set(ignored)))} were left aside."] if ignored else []
    names = _table(top, drawing.into.names())
    return drawing.into.dataset(root, CARD.name, Classes(names), names, [*drawing.messages, *notes])


def write(dataset: Dataset, folder: Path) -> Path:
    """Write SPLIT/a.jpg, SPLIT/a.json and labels.txt (the class order). Class ids are not held.

    A mask becomes one polygon along the edges of its pixels; parts and holes are joined by cuts of no width.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no boxes, or some items have no split.
    """
    classes = class_table(dataset, folder, CARD.name, ("difficult",), kinds=BOXES_AND_MASKS)
    all_split(dataset)
    for item in items(dataset):
        place = folder / item.split / f"{item.stem}{item.ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(item.data)
        entry: dict[str, Any] = {
            "version": "5.4.1",
            "flags": {},
            "shapes": list(_shapes_of(item, classes)),
            "imagePath": place.name,
            "imageData": None,
            "imageHeight": item.size[0],
            "imageWidth": item.size[1],
        }
        text = json.dumps(entry, ensure_ascii=False, indent=1)
        place.with_suffix(".json").write_text(text, encoding="utf-8")
    text = "".join(f"{name}\n" for name in (*_ASIDE, *classes.names))
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    return folder


def _shapes_of(item: Item, classes: Classes) -> Iterator[dict[str, Any]]:
    """The shapes of one image."""
    for thing in item.objects:
        kind, points = "rectangle", np.reshape(thing.corners, (2, 2)).tolist()
        if thing.mask is not None:
            x, y, crop = thing.mask
            kind, points = "polygon", join_polygons(trace(crop, x, y)).tolist()
        yield {
            "label": classes.names[thing.label],
            "points": points,
            "group_id": None,
            "shape_type": kind,
            "flags": {},
            **({"difficult": True} if thing.difficult else {}),
        }


def _like(path: Path) -> bool:
    """Whether a file looks like labelme's."""
    text = glance(path)
    # Of a large file only both ends are seen: many shapes, or the image itself, may hide one of the keys.
    return text.startswith("{") and '"shapes"' in text and ('"imagePath"' in text or '"shape_type"' in text)


def _lean(entry: Any) -> dict[str, Any]:
    """An entry without the bytes of its image."""
    if not isinstance(entry, dict):
        return {}
    return {**entry, "imageData": bool(entry.get("imageData"))}


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    return whole_size(entry.get("imageHeight"), entry.get("imageWidth"))


def _image_path(path: Path, entry: dict[str, Any]) -> Path:
    """Image of a file: the one at imagePath, else the one with the same name."""
    written = str(entry.get("imagePath") or "").replace("\\", "/")
    path_given = Path(os.path.normpath(path.parent / written))
    if written and is_there(path_given):
        return path_given
    same = (path.with_suffix(ending) for ending in sorted(ALL_EXTENSIONS))
    return next(
        (file for file in same if is_there(file)), path_given if written else path.with_suffix(".jpg")
    )


def _shapes(entry: dict[str, Any], image: int, name: str, drawing: Drawing) -> list[str]:
    """Collect the shapes of one image; returns classes that labelme itself ignores."""
    groups: dict[tuple[str, Any], list[Polygon]] = {}
    ignored = []
    given = entry.get("shapes")
    for k, shape in enumerate(given if isinstance(given, list) else []):
        where = f"{name} shape {k + 1}"
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            drawing.bare(f"{where}: no label")
            continue
        label = label.strip()
        where = f"{where} ({label})"
        if label in _ASIDE:
            ignored.append(label)
            continue
        group = shape.get("group_id")
        points = _points(shape)
        if shape.get("shape_type") in ("polygon", None) and group is not None and points is not None:
            groups.setdefault((label, str(group)), []).append(points)
        else:
            _shape(shape, points, image, label, where, drawing)
    for (label, group), rings in groups.items():
        drawing.polygon(image, label, rings, f"{name} group {group} ({label})")
    return ignored


def _points(shape: dict[str, Any]) -> Polygon | None:
    """(P, 2) points of a shape, or None where they are no pairs of numbers."""
    given = shape.get("points")
    pairs = given if isinstance(given, list) else [None]
    return ring([v for p in pairs for v in (p if isinstance(p, list) and len(p) == 2 else [None])])


def _shape(
    shape: dict[str, Any], points: Polygon | None, image: int, label: str, where: str, drawing: Drawing
) -> None:
    """Gather one shape."""
    kind = str(shape.get("shape_type") or "polygon")
    more: dict[str, Any] = {"difficult": shape.get("difficult") is True}
    outline = kind in ("polygon", "rotation", "mask")
    if points is None or not len(points) or not np.isfinite(points).all():
        (drawing.broken if outline else drawing.bare)(f"{where}: points are no pairs of numbers")
    elif kind == "rectangle" and len(points) > 1:
        corners = (*points.min(0).tolist(), *points.max(0).tolist())
        drawing.box(image, label, corners, where, **more)
    elif kind == "circle" and len(points) == 2:
        radius = math.dist(points[0], points[1])
        drawing.ellipse(image, label, points[0].tolist(), (radius, radius), 0.0, where, **more)
    elif kind in ("polygon", "rotation"):
        drawing.polygon(image, label, [points], where, **more)
    elif kind == "mask":
        try:
            data = base64.b64decode(shape.get("mask") or "", validate=True)
            values = stored(data).values
        except (ValueError, TypeError, UnreadableImage) as error:
            drawing.broken(f"{where}: its mask is no PNG in base64 ({error})")
            return
        x, y = (round(v) for v in points.min(0).tolist())
        mask = (values if values.ndim == 2 else values.max(2)).astype(bool).astype(np.uint8)
        drawing.mask(image, label, (x, y, mask), where, None, **more)
    else:
        drawing.other(f"a {kind}", where)


def _table(root: Path, used: tuple[str, ...]) -> tuple[str, ...]:
    """Class names in the order of labels.txt, if it has all that are used; else sorted."""
    path = root / "labels.txt"
    if not path.is_file():
        return used
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    names = tuple(
        dict.fromkeys(line.strip() for line in lines if line.strip() and line.strip() not in _ASIDE)
    )
    return names if set(used) <= set(names) else used
