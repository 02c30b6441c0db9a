"""CVAT for images 1.1: one XML file with all pictures and their boxes, polygons and masks.

Source: docs.cvat.ai, "XML annotation format", version 1.1. Corners and points are in pixels counted from 0,
as floats. A mask's `rle` are lengths of runs within left, top, width and height, row by row, zeros first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.formats._instances import Gathered
from sightline.data.formats._json import glance
from sightline.data.formats._options import ReadOptions
from sightline.data.formats._parts import SPLIT_WORDS, beside
from sightline.data.formats._polygons import Outlined, ring
from sightline.data.formats._written import Object, class_table, items, number
from sightline.data.formats._xml import add, number_of, read_xml, size_of, write_xml
from sightline.data.images import max_pixels
from sightline.errors import DataError
from sightline.ops.outlines import from_rle, rle

CARD = FormatCard(
    name="cvat",
    summary="CVAT for images 1.1: boxes, or polygons and masks, of all pictures in one XML file",
    looks_like="annotations.xml with <annotations> and <image>, pictures beside it or in images/",
    truths=("instances", "outlines"),
    writes=True,
)
_SHAPES = ("box", "polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
_OUTLINES = ("polygon", "mask")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


@dataclass
class _Found:
    """What is gathered: objects, shapes of other kinds, rotated boxes, and how many are marked occluded."""

    into: Gathered
    others: Counter[str] = field(default_factory=Counter)
    turned: list[str] = field(default_factory=list)
    occluded: int = 0


def sniff(source: str, options: ReadOptions) -> float:
    """Sure of an XML file whose root is <annotations>."""
    del options
    return 0.97 if _file(Path(source)) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All pictures with their boxes, or with polygons and masks (truth "outlines").

    The attribute `difficult` and the subset (train, ...) are read if there. Each polygon is an object of its
    own, also in a group.

    Raises:
        DataError: If there is no such file, or it holds a video.
    """
    root = Path(source)
    path = _file(root) or (root if root.is_file() else None)
    if path is None:
        raise DataError(f"There is no CVAT annotation at '{root}'. Expected {CARD.looks_like}.")
    tree = read_xml(path)
    if tree.tag != "annotations":
        raise DataError(
            f"{path}: the root is <{tree.tag}>. Expected <annotations>, as CVAT for images 1.1 has."
        )
    if tree.find("track") is not None:
        raise DataError(f"{path}: holds tracks of a video. Export it as 'CVAT for images 1.1'.")
    outlined = options.truth == "outlines"
    found = _Found((Outlined if outlined else Gathered)(path.parent, stored=options.exif == "ignore"))
    into, things = found.into, "objects" if outlined else "boxes"
    for image in tree.iter("image"):
        _gather(image, found)
    fix = "Draw upright boxes, or turn rotated ones into polygons."
    into.note("boxes-rotated", "error", found.turned, "boxes are rotated, and were left out", fix)
    shapes = [f"{n:,} {shape}" for shape, n in sorted(found.others.items())]
    if outlined:
        what = "kinds of shapes are no polygons or masks, and were left aside"
        into.note("shapes-not-outlines", "warning", shapes, what, "Draw polygons, if these are meant.")
    else:
        what = "kinds of shapes are no boxes, and were left aside"
        into.note("shapes-not-boxes", "warning", shapes, what, "Export rectangles, if these are meant.")
    table = [(label.findtext("name") or "").strip() for label in tree.findall("meta//labels/label")]
    names = tuple(dict.fromkeys(name for name in table if name)) or into.names()
    notes = [f"{found.occluded:,} {things} are marked occluded, which is not used."] if found.occluded else []
    return into.dataset(root, CARD.name, Classes(names), names, notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write annotations.xml and images/. Class ids are not held: they become 0 to K-1.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the truth is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, ("difficult",), masks=True)
    (folder / "images").mkdir(parents=True)
    root, meta, task, labels = (Element(tag) for tag in ("annotations", "meta", "task", "labels"))
    add(root, "version", "1.1")
    for name in classes.names:
        label = Element("label")
        add(label, "name", name)
        labels.append(label)
    task.append(labels)
    meta.append(task)
    root.append(meta)
    for item in items(dataset):
        name = f"{item.stem}{item.ending}"
        (folder / "images" / name).write_bytes(item.data)
        h, w = map(str, item.size)
        image = Element("image", {"id": str(item.number), "name": name, "width": w, "height": h})
        if item.split:
            image.set("subset", item.split)
        for thing in item.objects:
            box = Element(*_shape(thing, classes.names[thing.label]))
            if thing.difficult:
                attribute = Element("attribute", {"name": "difficult"})
                attribute.text = "true"
                box.append(attribute)
            image.append(box)
        root.append(image)
    write_xml(root, folder / "annotations.xml")
    return folder


def _shape(thing: Object, name: str) -> tuple[str, dict[str, str]]:
    """Tag and attributes of one object."""
    said = {"label": name, "occluded": "0"}
    if thing.mask is None:
        return "box", {**said, **dict(zip(_CORNERS, map(number, thing.corners), strict=True))}
    x, y, crop = thing.mask
    height, width = crop.shape
    place = {"left": x, "top": y, "width": width, "height": height}
    runs = ", ".join(map(str, rle(crop.T)))  # by columns of what is turned: by rows
    return "mask", {**said, "rle": runs, **{k: str(v) for k, v in place.items()}}


def _file(root: Path) -> Path | None:
    """The file of a data set that looks like CVAT's, or None."""
    path = root / "annotations.xml" if root.is_dir() else root
    if not path.is_file() or path.suffix.lower() != ".xml":
        return None
    return path if "<annotations>" in glance(path) else None


def _gather(image: Element, found: _Found) -> None:
    """Gather one picture with its boxes, or its polygons and masks."""
    name, subset = image.get("name", ""), image.get("subset", "")
    size = size_of(image.get("height"), image.get("width"))
    path = beside(found.into.root, [f"{subset}/{name}", name] if subset else [name])
    place = found.into.picture(path, SPLIT_WORDS.get(subset.lower(), ""), size)
    wanted = _OUTLINES if isinstance(found.into, Outlined) else ("box",)
    found.others.update(shape.tag for shape in image if shape.tag in _SHAPES and shape.tag not in wanted)
    for n, shape in enumerate(shape for shape in image if shape.tag in wanted):
        label = shape.get("label", "")
        difficult = any(
            a.get("name") == "difficult" and (a.text or "").strip().lower() in ("true", "1", "yes")
            for a in shape.findall("attribute")
        )
        if number_of(shape.get("rotation") or "0") != 0:
            found.turned.append(f"{name}: {label}")
            continue
        found.occluded += shape.get("occluded") == "1"
        if isinstance(found.into, Outlined):
            _outline(shape, place, label, f"{name} {shape.tag} {n + 1} ({label})", difficult, found.into)
        else:
            x1, y1, x2, y2 = (number_of(shape.get(corner)) for corner in _CORNERS)
            found.into.box(place, label, (x1, y1, x2, y2), difficult=difficult)


def _outline(shape: Element, image: int, label: str, where: str, difficult: bool, into: Outlined) -> None:
    """Gather one polygon or mask."""
    if shape.tag == "polygon":
        values = [
            [number_of(v) for v in pair.split(",")] for pair in shape.get("points", "").split(";") if pair
        ]
        points = (
            ring([v for pair in values for v in pair]) if all(len(pair) == 2 for pair in values) else None
        )
        if points is None:
            into.broken.append(f"{where}: points are no pairs x,y")
        else:
            into.polygons(image, label, [points], where, difficult=difficult)
        return
    place = [number_of(shape.get(k)) for k in ("left", "top", "width", "height")]
    try:
        if not np.isfinite(place).all() or min(place[2:]) < 1 or place[2] * place[3] > max_pixels():
            raise ValueError("left, top, width and height are no numbers that a mask can have")
        x, y, width, height = map(int, place)
        mask = from_rle([int(v) for v in shape.get("rle", "").split(",")], height, width, by_rows=True)
    except ValueError as error:
        into.broken.append(f"{where}: {error}")
    else:
        into.stamp(image, label, (x, y, mask), where, None, difficult=difficult)
