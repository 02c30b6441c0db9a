"""CVAT for images 1.1: one XML file with all pictures and their boxes.

Source: docs.cvat.ai, "XML annotation format", version 1.1. Corners are in pixels counted from 0, as floats.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.formats._instances import Gathered
from sightline.data.formats._json import glance
from sightline.data.formats._options import ReadOptions
from sightline.data.formats._parts import SPLIT_WORDS, beside
from sightline.data.formats._written import class_table, items, number
from sightline.data.formats._xml import add, number_of, read_xml, size_of, write_xml
from sightline.errors import DataError

CARD = FormatCard(
    name="cvat",
    summary="CVAT for images 1.1: boxes of all pictures in one XML file",
    looks_like="annotations.xml with <annotations> and <image>, pictures beside it or in images/",
    truths=("instances",),
    writes=True,
)
_SHAPES = ("polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def sniff(source: str, options: ReadOptions) -> float:
    """Sure of an XML file whose root is <annotations>."""
    del options
    return 0.97 if _file(Path(source)) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All pictures with their boxes; the attribute `difficult` and the subset (train, ...) are read if there.

    Raises:
        DataError: If there is no such file, or it holds a video.
    """
    del options
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
    into = Gathered(path.parent)
    others: Counter[str] = Counter()
    turned: list[str] = []
    occluded = sum(_gather(image, into, others, turned) for image in tree.iter("image"))
    fix = "Draw upright boxes, or turn rotated ones into polygons."
    into.note("boxes-rotated", "error", turned, "boxes are rotated, and were left out", fix)
    shapes = [f"{n:,} {shape}" for shape, n in sorted(others.items())]
    what = "kinds of shapes are no boxes, and were left aside"
    into.note("shapes-not-boxes", "warning", shapes, what, "Export rectangles, if these are meant.")
    table = [(label.findtext("name") or "").strip() for label in tree.findall("meta//labels/label")]
    names = tuple(dict.fromkeys(name for name in table if name)) or into.names()
    notes = [f"{occluded:,} boxes are marked occluded, which is not used."] if occluded else []
    return into.dataset(root, CARD.name, Classes(names), names, notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write annotations.xml and images/. Class ids are not held: they become 0 to K-1.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the truth is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, ("difficult",))
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
            corners = zip(_CORNERS, map(number, thing.corners), strict=True)
            box = Element("box", {"label": classes.names[thing.label], "occluded": "0", **dict(corners)})
            if thing.difficult:
                attribute = Element("attribute", {"name": "difficult"})
                attribute.text = "true"
                box.append(attribute)
            image.append(box)
        root.append(image)
    write_xml(root, folder / "annotations.xml")
    return folder


def _file(root: Path) -> Path | None:
    """The file of a data set that looks like CVAT's, or None."""
    path = root / "annotations.xml" if root.is_dir() else root
    if not path.is_file() or path.suffix.lower() != ".xml":
        return None
    return path if "<annotations>" in glance(path) else None


def _gather(image: Element, into: Gathered, others: Counter[str], turned: list[str]) -> int:
    """Gather one picture with its boxes; how many are marked occluded."""
    name, subset = image.get("name", ""), image.get("subset", "")
    size = size_of(image.get("height"), image.get("width"))
    path = beside(into.root, [f"{subset}/{name}", name] if subset else [name])
    place = into.picture(path, SPLIT_WORDS.get(subset.lower(), ""), size)
    others.update(child.tag for child in image if child.tag in _SHAPES)
    occluded = 0
    for box in image.findall("box"):
        label = box.get("label", "")
        if number_of(box.get("rotation") or "0") != 0:
            turned.append(f"{name}: {label}")
            continue
        occluded += box.get("occluded") == "1"
        difficult = any(
            a.get("name") == "difficult" and (a.text or "").strip().lower() in ("true", "1", "yes")
            for a in box.findall("attribute")
        )
        x1, y1, x2, y2 = (number_of(box.get(corner)) for corner in _CORNERS)
        into.box(place, label, (x1, y1, x2, y2), difficult=difficult)
    return occluded
