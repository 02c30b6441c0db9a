"""VGG Image Annotator 2: a project, or an export as JSON or CSV, with the regions of all images.

Source: A. Dutta and A. Zisserman, "The VIA Annotation Software for Images, Audio and Video", ACM MM 2019, and
what VIA 1 and 2 write. Places are in pixels from 0; the angle of an ellipse is in radians.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.csv import read_text
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.instances import numbers
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.errors import DataError, UnknownName

CARD = FormatCard(
    name="via",
    summary="VGG Image Annotator 2: a project, or an export as JSON or CSV, of boxes, polygons and ellipses",
    recognized_by="via_region_data.json, a VIA project, or a CSV with region_shape_attributes; images beside",
    target_types=("instances", "outlines"),
)
_CLASSES = ("class", "label", "category", "type", "name", "object", "class_name", "object_name")
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_ONLY = "object"


@dataclass(frozen=True)
class _Region:
    """One region: its description for messages, its shape, and its attributes."""

    where: str
    shape: dict[str, Any]
    said: dict[str, Any]


@dataclass(frozen=True)
class _ImageEntry:
    """One image and its regions."""

    path: Path
    split: str
    regions: tuple[_Region, ...]


def sniff(source: str, options: ReadOptions) -> float:
    """High for a JSON or CSV file with VIA's keys for regions."""
    del options
    return 0.98 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images with the boxes, or the masks, of their regions.

    The class is the attribute of regions that `--target` names, or the one that is called class, label or the
    like, or the only one. Where no region has an attribute, all are of one class, "object". Splits are those
    of the folders and file names.

    Raises:
        DataError: If there is no such file, no region, or it is not clear what holds the class.
        UnknownName: If regions have no attribute of the name that is asked for.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no VIA annotation at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    images = [image for path, split in chosen for image in _image_entries(path, split)]
    if not any(image.regions for image in images):
        raise DataError(
            f"{root}: none of the {len(images):,} images has a region. Draw some, and save again."
        )
    key = _class_key(root, images, options.target)
    if key is None:
        notes.append(f"Regions have no attributes: all are of one class, '{_ONLY}'.")
    else:
        notes.append(f"Classes are the attribute '{key}' of the regions.")
    top = root if root.is_dir() else root.parent
    drawing = targets_of(partial(_gather, images, key), top, options, written="sizes")
    names = drawing.into.names()
    return drawing.into.dataset(root, CARD.name, Classes(names), names, [*notes, *drawing.messages])


def _files(root: Path) -> list[Path]:
    """VIA files of a folder: in it, and in folders named after splits."""
    files = annotation_files(root, SPLIT_WORDS, (".json", ".csv"), _like)
    # One annotation is often saved as a project and exported in both forms: the JSON says the most.
    json_files = [p for p in files if p.suffix.lower() == ".json"]
    return json_files or files


def _like(path: Path) -> bool:
    """Whether a file looks like VIA's."""
    if path.suffix.lower() == ".csv":
        head = glance(path).split("\n", 1)[0]
        return all(name in head for name in _COLUMNS)
    text = glance(path) if path.suffix.lower() == ".json" else ""
    regions = '"regions"' in text and '"filename"' in text
    return text.startswith("{") and regions and ('"file_attributes"' in text or '"shape_attributes"' in text)


def _image_entries(path: Path, split: str) -> list[_ImageEntry]:
    """The images of one file."""
    if path.suffix.lower() == ".csv":
        return list(_rows(path, split))
    data = read_json(path)
    entries = data.get("_via_img_metadata", data) if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise DataError(f"{path}: holds no images. Expected a project or an export of VIA 2.")
    images = []
    for key, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
            raise DataError(f"{path}: the entry '{key:.60}' has no filename. Save it with VIA 2 again.")
        given = entry.get("regions") or []
        rows = list(given.values()) if isinstance(given, dict) else given
        if not isinstance(rows, list):
            raise DataError(f"{path}: the regions of '{key:.60}' are no list. Save it with VIA 2 again.")
        name = entry["filename"]
        regions = [_region(f"{name} region {k}", r) for k, r in enumerate(rows)]
        images.append(_ImageEntry(path.parent / name, split, tuple(regions)))
    return images


def _region(where: str, entry: Any) -> _Region:
    parts = [
        entry.get(k) if isinstance(entry, dict) else None for k in ("shape_attributes", "region_attributes")
    ]
    shape, attributes = (part if isinstance(part, dict) else {} for part in parts)
    return _Region(where, shape, attributes)


def _rows(path: Path, split: str) -> Iterator[_ImageEntry]:
    """The images of a CSV: one row a region, and one for an image without any."""
    table = read_text(path)
    lacking = [name for name in _COLUMNS if name not in table.names]
    if lacking or table.broken:
        line = f"line {table.broken[0]} has another number of cells" if table.broken else ""
        what = f"no column {', '.join(lacking)}" if lacking else line
        raise DataError(f"{path}: {what}. Export the annotations as CSV with VIA 2 again.")
    regions: dict[str, list[_Region]] = {}
    for n, *cells in zip(table.lines, *(table.column(name) for name in _COLUMNS), strict=True):
        name, *parts = map(str, cells)
        mine = regions.setdefault(name, [])
        try:
            shape, attributes = (json.loads(part or "{}") for part in parts)
        except ValueError as error:
            raise DataError(f"{path}: line {n} is no sound JSON ({error}). Export the CSV again.") from error
        if shape:
            mine.append(
                _region(f"{name} region {len(mine)}", {_ATTRIBUTES[0]: shape, _ATTRIBUTES[1]: attributes})
            )
    for name, rows in regions.items():
        yield _ImageEntry(path.parent / name, split, tuple(rows))


_ATTRIBUTES = ("shape_attributes", "region_attributes")


def _class_key(root: Path, images: list[_ImageEntry], wanted: str | None) -> str | None:
    """The attribute that holds the class, or None where regions have no attributes."""
    keys = Counter(key for image in images for region in image.regions for key in region.said)
    if wanted is not None:
        if wanted not in keys:
            raise UnknownName("attribute", wanted, list(keys), f"The annotation is {root}.")
        return wanted
    named = [key for name in _CLASSES for key in keys if key.lower() == name]
    if named or len(keys) < 2:
        return named[0] if named else next(iter(keys), None)
    raise DataError(
        f"{root}: which attribute of the regions is the class? They have {', '.join(keys)}. Name it with "
        f"--target, for example --target {quote(keys.most_common(1)[0][0])}."
    )


def _classes(region: _Region, key: str | None) -> list[str]:
    """Classes of a region: a text, or the checked boxes."""
    if key is None:
        return [_ONLY]
    value = region.said.get(key)
    if isinstance(value, dict):
        return [name for name, ticked in value.items() if ticked]
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return [text] if text else []


def _gather(images: list[_ImageEntry], key: str | None, drawing: Drawing) -> None:
    """Gather all images and regions."""
    for item in images:
        image = drawing.into.add_image(item.path, item.split)
        for region in item.regions:
            labels = _classes(region, key)
            if not labels:
                drawing.bare(f"{region.where}: no {key}")
            for label in labels:
                _shape(region.shape, image, label, f"{region.where} ({label})", drawing)


def _shape(shape: dict[str, Any], image: int, label: str, where: str, drawing: Drawing) -> None:
    """Gather one region."""
    kind = str(shape.get("name"))
    if kind in ("polygon", "polyline"):
        points = _points(shape)
        if points is None:
            drawing.broken(f"{where}: all_points_x and all_points_y are not as many numbers")
        elif kind == "polygon" or (len(points) > 3 and (points[0] == points[-1]).all()):
            drawing.polygon(image, label, [points], where)
        else:
            drawing.other("an open polyline", where)
        return
    keys = {
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
    }
    if kind not in keys:
        drawing.other(f"a {kind}", where)
        return
    values = numbers([shape.get(k) for k in keys[kind]], len(keys[kind]))
    if values is None:
        drawing.bare(f"{where}: a {kind} without {', '.join(keys[kind])}")
    elif kind == "rect":
        x, y, w, h = values
        drawing.box(image, label, (x, y, x + w, y + h), where)
    else:
        turn = (numbers([shape.get("theta") or 0], 1) or (math.nan,))[0]
        drawing.ellipse(image, label, values[:2], (values[2], values[-1]), math.degrees(turn), where)


def _points(shape: dict[str, Any]) -> Any:
    """(P, 2) points of a polygon, or None."""
    given = [shape.get(f"all_points_{axis}") for axis in "xy"]
    lengths = [len(values) if isinstance(values, list) else -1 for values in given]
    if lengths[0] != lengths[1] or lengths[0] < 0:
        return None
    columns = [numbers(values, lengths[0]) for values in given]
    return None if None in columns else np.array(columns, dtype=np.float64).T
