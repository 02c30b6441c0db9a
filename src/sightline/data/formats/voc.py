"""Pascal VOC: an XML file for each image, and lists of images for the splits.

Source: M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and its
development kit. There the pixel at the top left is (1, 1) and xmax, ymax are the last pixels inside, so that
a box is (xmin - 1, ymin - 1, xmax, ymax). Many tools count from 0 and write the far edge: there a box is
(xmin, ymin, xmax, ymax). A coordinate of 0 anywhere in the set shows that it counts from 0, unless its files
say that they follow VOC (<source><annotation>).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_below
from sightline.data.parsing.each import split_below
from sightline.data.parsing.instances import InstanceBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.paths import keys_of
from sightline.data.parsing.splits import is_there, name_of
from sightline.data.parsing.voc_discovery import lists, paired, places, unwrapped
from sightline.data.parsing.writing import Item, all_split, class_table, items, number
from sightline.data.parsing.xml import RefusedXml, add, number_of, read_xml, size_of, text_of, write_xml
from sightline.errors import DataError

CARD = FormatCard(
    name="voc",
    summary="Pascal VOC: an XML file of boxes for each image",
    recognized_by="JPEGImages/a.jpg and Annotations/a.xml, perhaps ImageSets/Main/train.txt; or a.xml by "
    "a.jpg",
    target_types=("instances",),
    writes=True,
)


@dataclass(frozen=True)
class _Box:
    """One <object>: index of its image, class, corners as written, and whether it is difficult."""

    image: int
    name: str
    corners: tuple[float, float, float, float]
    difficult: bool
    kit: bool


@dataclass
class _Contents:
    """What is gathered from all XML files."""

    into: InstanceBuilder
    boxes: list[_Box] = field(default_factory=list)
    truncated: int = 0
    broken: list[str] = field(default_factory=list)
    boxless: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High if XML annotations lie where VOC or LabelImg put them."""
    del options
    root = unwrapped(Path(source))
    return 0.97 if root.is_dir() and places(root) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that the splits list (all, where there are none), with boxes and difficult flags.

    Raises:
        DataError: If there are no annotations, or none can be used.
        RefusedXml: If a file declares a document type or entities.
    """
    root = unwrapped(Path(source))
    parts = places(root) if root.is_dir() else []
    if not parts:
        raise DataError(f"There are no Pascal VOC annotations at '{root}'. Expected {CARD.recognized_by}.")
    contents = _Contents(InstanceBuilder(root, stored=options.exif == "ignore"))
    files = [(_files(folder, tuple(ALL_EXTENSIONS)), _files(xml, (".xml",))) for xml, folder, _ in parts]
    listed = lists(root, {name for part in files for kind in part for name in kind})
    for (_, folder, split), (images, xmls) in zip(parts, files, strict=True):
        _gather(folder, images, paired(images, xmls), split, listed, contents)
    note = contents.into.note
    what = "annotations cannot be read; their images were left out"
    note("annotations-broken", "error", contents.broken, what, "Fetch or export these files again.")
    what = "objects have no box of four numbers, and were left out"
    fix = "Write xmin, ymin, xmax and ymax."
    note("boxes-missing", "error", contents.boxless, what, fix)
    what = "images have no XML file, and are taken as showing nothing"
    fix = "Annotate them, or take them out."
    note("annotations-missing", "warning", contents.bare, what, fix)
    if contents.broken and not contents.into.paths:
        raise DataError(f"{root}: none of the annotations can be read. {contents.broken[0]}")
    notes = [_convert(contents)]
    if contents.truncated:
        notes.append(f"{contents.truncated:,} objects are marked truncated, which is not used.")
    names = _labelmap(root, contents.into.names()) or contents.into.names()
    return contents.into.dataset(root, CARD.name, Classes(names), names, notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write JPEGImages, Annotations, ImageSets/Main (if there are splits) and labelmap.txt (class order).

    Class ids are not held: they become 0 to K-1. Files follow the development kit, and say so.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no boxes, or some items have no split.
    """
    classes = class_table(dataset, folder, CARD.name, ("difficult",))
    split = all_split(dataset)
    for name in ("JPEGImages", "Annotations", *(["ImageSets/Main"] if split else [])):
        (folder / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {name: [] for name in (*SPLITS, "trainval")}
    for item in items(dataset):
        (folder / "JPEGImages" / f"{item.stem}{item.ending}").write_bytes(item.data)
        write_xml(_element(item, classes), folder / "Annotations" / f"{item.stem}.xml")
        for name in (item.split, "trainval") if item.split in ("train", "val") else (item.split,):
            lists.setdefault(name, []).append(item.stem)
    for name, stems in lists.items() if split else ():
        if stems:
            text = "\n".join(stems) + "\n"
            (folder / "ImageSets/Main" / f"{name}.txt").write_text(text, encoding="utf-8")
    rows = "".join(f"{name}:::\n" for name in classes.names)
    (folder / "labelmap.txt").write_text(rows, encoding="utf-8")
    return folder


def _element(item: Item, classes: Classes) -> Element:
    """The XML of one image."""
    root = Element("annotation")
    add(root, "filename", f"{item.stem}{item.ending}")
    for tag, rows in {
        "source": {"annotation": "PASCAL VOC"},
        "size": {"width": str(item.size[1]), "height": str(item.size[0])},
    }.items():
        child = Element(tag)
        for name, text in rows.items():
            add(child, name, text)
        root.append(child)
    for thing in item.objects:
        child, box = Element("object"), Element("bndbox")
        add(child, "name", classes.names[thing.label])
        add(child, "difficult", str(int(thing.difficult)))
        x1, y1, x2, y2 = thing.corners
        corners = zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2), strict=True)
        for tag, value in corners:
            add(box, tag, number(value))
        child.append(box)
        root.append(child)
    return root


def _files(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Files below a folder by name with path, without ending; the first of several."""
    by_stem: dict[str, Path] = {}
    for path in files_below(folder):
        if path.suffix.lower() in endings:
            by_stem.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return by_stem


def _gather(
    folder: Path, images: dict[str, Path], files: dict[str, Path], split: str,
    listed: dict[str, list[str]], contents: _Contents,
) -> None:  # fmt: skip
    """Gather the images and boxes of one part; with lists, only what they name."""
    by_key = {keys_of(Path(name)): name for name in images}
    for name in files.keys() - images.keys():  # another case or Unicode form: no image without an XML file
        images.pop(by_key.get(keys_of(Path(name)), name), None)
    for name in sorted(listed or {*images, *files}):
        root, path = None, images.get(name, folder / f"{name}.jpg")
        if name in files:
            root = _root_of(files[name], contents)
            if root is None:
                continue
            file_name = text_of(root, "filename").replace("\\", "/")
            if file_name and (name not in images or Path(file_name).stem == Path(name).stem):
                near = [p for p in (path.parent / file_name, folder / file_name) if is_there(p)]
                path = near[0] if near else path if name in images else folder / file_name
        size = None if root is None else size_of(text_of(root, "size/height"), text_of(root, "size/width"))
        before = len(contents.into.paths)
        for part in listed.get(name, [split or split_below(folder / name, folder)]):
            image = contents.into.add_image(path, part, size)
        if root is None and name in images:
            contents.bare.append(name_of(path, contents.into.root))
        elif root is not None and image == before:
            _objects(root, image, files[name], contents)


def _root_of(path: Path, contents: _Contents) -> Element | None:
    """The annotation in a file, or None where it cannot be read."""
    try:
        root = read_xml(path)
    except RefusedXml:
        raise
    except DataError as error:
        contents.broken.append(str(error))
        return None
    if root.tag.lower() != "annotation":
        contents.broken.append(f"{path}: its root is <{root.tag}>, not <annotation>")
        return None
    return root


def _objects(root: Element, image: int, path: Path, contents: _Contents) -> None:
    """Gather the objects of one image."""
    kit = "VOC" in text_of(root, "source/annotation").upper()
    for thing in root.findall("object"):
        name = text_of(thing, "name")
        texts = [text_of(thing, f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]
        if not all(texts) or not name:
            contents.boxless.append(f"{name_of(path, contents.into.root)}: {name or 'no name'}")
            continue
        x1, y1, x2, y2 = map(number_of, texts)
        difficult = text_of(thing, "difficult") == "1"
        contents.truncated += text_of(thing, "truncated") == "1"
        contents.boxes.append(_Box(image, name, (x1, y1, x2, y2), difficult, kit))


def _convert(contents: _Contents) -> str:
    """Convert all boxes to corners counted from 0 with the far edge outside; and report the convention."""
    whole = [b for b in contents.boxes if b.corners[0] < b.corners[2] and b.corners[1] < b.corners[3]]
    kit = bool(contents.boxes) and all(b.kit for b in contents.boxes)
    zero = not kit and any(0 <= v < 1 for b in whole for v in b.corners[:2])
    for b in contents.boxes:
        x1, y1, x2, y2 = b.corners
        # Equal corners are one pixel to the kit; to anybody else they are a slip.
        shift = 0 if zero or not (kit or (x1 < x2 and y1 < y2)) else 1
        contents.into.box(b.image, b.name, (x1 - shift, y1 - shift, x2, y2), difficult=b.difficult)
    if zero:
        return "Corners are counted from 0 (a 0 is among them): a box is (xmin, ymin, xmax, ymax)."
    why = "the files say that they follow VOC" if kit else "no 0 is among them, as in the VOC kit"
    return f"Corners are counted from 1 and inclusive ({why}): a box is (xmin - 1, ymin - 1, xmax, ymax)."


def _labelmap(root: Path, used: tuple[str, ...]) -> tuple[str, ...]:
    """Class names of labelmap.txt ("name:colour:parts:actions" a line), less a background without boxes."""
    path = root / "labelmap.txt"
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows = [line.strip() for line in lines if line.count(":") > 2 and not line.startswith("# label:")]
    names = dict.fromkeys(row.rsplit(":", 3)[0].strip() for row in rows)
    return tuple(name for name in names if name != "background" or name in used)
