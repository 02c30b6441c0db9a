"""CVAT for images 1.1: one XML file with all images and their boxes, polygons and masks.

Source: docs.cvat.ai, "XML annotation format", version 1.1. Corners and points are in pixels counted from 0,
as floats. A mask's `rle` are lengths of runs within left, top, width and height, row by row, zeros first.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.images import max_pixels
from sightline.data.parsing.cvat_points import only_points, read_points
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.json import glance
from sightline.data.parsing.labeled import labeled, of_lists
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import ring
from sightline.data.parsing.splits import SPLIT_WORDS, file_beside
from sightline.data.parsing.writing import BOXES_AND_MASKS, Object, class_table, items, number
from sightline.data.parsing.xml import add, number_of, read_xml, size_of, write_xml
from sightline.errors import DataError
from sightline.ops.contours import Polygon, from_rle, rle

CARD = FormatCard(
    name="cvat",
    summary="CVAT for images 1.1: boxes, polygons, ellipses, masks, skeletons or tags, in one XML file",
    recognized_by="annotations.xml with <annotations> and <image>, images beside it or in images/",
    target_types=("instances", "outlines", "label", "keypoints"),
    writes=True,
)
_SHAPES = ("box", "polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def sniff(source: str, options: ReadOptions) -> float:
    """High for an XML file whose root is <annotations>."""
    del options
    return 0.97 if _file(Path(source)) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images with their boxes, or with polygons and masks (target "outlines"), or with tags ("label").

    Tags are taken too where nothing is drawn; skeletons and points ("keypoints") where nothing else is.
    The attribute `difficult` and the subset (train, ...) are read if there. Each polygon is an object of its
    own, also in a group.

    Raises:
        DataError: If there is no such file, or it holds a video.
    """
    root = Path(source)
    path = _file(root) or (root if root.is_file() else None)
    if path is None:
        raise DataError(f"There is no CVAT annotation at '{root}'. Expected {CARD.recognized_by}.")
    tree = read_xml(path)
    if tree.tag != "annotations":
        raise DataError(
            f"{path}: the root is <{tree.tag}>. Expected <annotations>, as CVAT for images 1.1 has."
        )
    if tree.find("track") is not None:
        raise DataError(f"{path}: holds tracks of a video. Export it as 'CVAT for images 1.1'.")
    images, counts = list(tree.iter("image")), Counter[str]()

    def gather(drawing: Drawing) -> None:
        counts.clear()
        for image in images:
            _gather(image, drawing, counts)

    shaped = any(shape.tag in _SHAPES and shape.tag != "tag" for image in images for shape in image)
    tagged = any(image.find("tag") is not None for image in images)
    if options.target_type == "label" or (options.target_type is None and tagged and not shaped):
        return _tags(root, path.parent, images)
    posed = options.target_type is None and only_points(images)
    if posed or options.target_type == Keypoints.kind:
        return read_points(root, path.parent, CARD.name, tree, options, _path, _split)
    drawing = targets_of(gather, path.parent, options)
    table = [(label.findtext("name") or "").strip() for label in tree.findall("meta//labels/label")]
    names = tuple(dict.fromkeys(name for name in table if name)) or drawing.into.names()
    texts = {
        "occluded": "objects are marked occluded, which is not used.",
        "tag": "tags of whole images were left aside: boxes and outlines are read.",
    }
    notes = [f"{n:,} {texts[kind]}" for kind, n in sorted(counts.items())]
    return drawing.into.dataset(root, CARD.name, Classes(names), names, [*drawing.messages, *notes])


def _tags(source: Path, root: Path, images: list[Element]) -> Dataset:
    """The tags of whole images."""
    rows = [[(tag.get("label") or "").strip() for tag in image.findall("tag")] for image in images]
    if not any(rows):
        raise DataError(f"{source}: no image has a tag. --task detect takes what is drawn.")
    paths = [_path(image, root) for image in images]
    splits = [_split(image) for image in images]
    return labeled(source, root, CARD.name, paths, splits, of_lists(rows))


def _path(image: Element, root: Path) -> Path:
    """The file of an image, which may lie in a folder named after its subset."""
    name, subset = image.get("name", ""), image.get("subset", "")
    return file_beside(root, [f"{subset}/{name}", name] if subset else [name])


def _split(image: Element) -> str:
    return SPLIT_WORDS.get(image.get("subset", "").lower(), "")


def write(dataset: Dataset, folder: Path) -> Path:
    """Write annotations.xml and images/. Class ids are not held: they become 0 to K-1.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the target is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, ("difficult",), kinds=BOXES_AND_MASKS)
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
    attributes = {"label": name, "occluded": "0"}
    if thing.mask is None:
        return "box", {**attributes, **dict(zip(_CORNERS, map(number, thing.corners), strict=True))}
    x, y, crop = thing.mask
    height, width = crop.shape
    place = {"left": x, "top": y, "width": width, "height": height}
    runs = ", ".join(map(str, rle(crop.T)))  # by columns of what is turned: by rows
    return "mask", {**attributes, "rle": runs, **{k: str(v) for k, v in place.items()}}


def _file(root: Path) -> Path | None:
    """The file of a data set that looks like CVAT's, or None."""
    path = root / "annotations.xml" if root.is_dir() else root
    if not path.is_file() or path.suffix.lower() != ".xml":
        return None
    return path if "<annotations>" in glance(path) else None


def _gather(image: Element, drawing: Drawing, counts: Counter[str]) -> None:
    """Collect one image with all its shapes; count shapes that are not used."""
    name, size = image.get("name", ""), size_of(image.get("height"), image.get("width"))
    place = drawing.into.add_image(_path(image, drawing.into.root), _split(image), size)
    for n, shape in enumerate(shape for shape in image if shape.tag in _SHAPES):
        label = shape.get("label", "")
        difficult = any(
            a.get("name") == "difficult" and (a.text or "").strip().lower() in ("true", "1", "yes")
            for a in shape.findall("attribute")
        )
        counts["occluded"] += shape.get("occluded") == "1"
        if shape.tag == "tag":
            counts["tag"] += 1
        else:
            _shape_of(shape, place, label, f"{name} {shape.tag} {n + 1} ({label})", difficult, drawing)
    for kind in [kind for kind, count in counts.items() if not count]:
        del counts[kind]


def _shape_of(shape: Element, image: int, label: str, where: str, difficult: bool, drawing: Drawing) -> None:
    """Gather one shape."""
    degrees = number_of(shape.get("rotation") or "0")
    if shape.tag == "box":
        x1, y1, x2, y2 = (number_of(shape.get(corner)) for corner in _CORNERS)
        place, pivot = (x1, y1, x2 - x1, y2 - y1), ((x1 + x2) / 2, (y1 + y2) / 2)
        if degrees:
            drawing.turned(image, label, place, degrees, where, pivot=pivot, difficult=difficult)
        else:
            drawing.box(image, label, (x1, y1, x2, y2), where, difficult=difficult)
    elif shape.tag == "ellipse":
        cx, cy, rx, ry = (number_of(shape.get(k)) for k in ("cx", "cy", "rx", "ry"))
        drawing.ellipse(image, label, (cx, cy), (rx, ry), degrees, where, difficult=difficult)
    elif shape.tag == "polygon":
        points = _points(shape)
        if points is None:
            drawing.broken(f"{where}: points are no pairs x,y")
        else:
            drawing.polygon(image, label, [points], where, difficult=difficult)
    elif shape.tag == "mask":
        _mask(shape, image, label, where, difficult, drawing)
    else:
        drawing.other(f"a {shape.tag}", where)


def _points(shape: Element) -> Polygon | None:
    """(P, 2) points of a polygon, or None where they are no pairs."""
    values = [[number_of(v) for v in pair.split(",")] for pair in shape.get("points", "").split(";") if pair]
    whole = all(len(pair) == 2 for pair in values)
    return ring([v for pair in values for v in pair]) if whole else None


def _mask(shape: Element, image: int, label: str, where: str, difficult: bool, drawing: Drawing) -> None:
    """Gather one mask."""
    place = [number_of(shape.get(k)) for k in ("left", "top", "width", "height")]
    try:
        if not np.isfinite(place).all() or min(place[2:]) < 1 or place[2] * place[3] > max_pixels():
            raise ValueError("left, top, width and height are no numbers that a mask can have")
        x, y, width, height = map(int, place)
        mask = from_rle([int(v) for v in shape.get("rle", "").split(",")], height, width, by_rows=True)
    except ValueError as error:
        drawing.broken(f"{where}: {error}")
    else:
        drawing.mask(image, label, (x, y, mask), where, None, difficult=difficult)
