"""Pascal VOC instance segmentation: for each image a map of object numbers, and a map of classes.

Source: M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and its
development kit. Maps are PNG with a palette, or in its colours: 0 is background, 255 a seam of no class that
runs around objects.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.io.encode import encode_png
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import stored
from sightline.data.io.walk import files_in
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import Outlined
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.writing import BOXES_AND_MASKS, Item, all_split, class_table, items
from sightline.errors import DataError, UnreadableImage
from sightline.ops.contours import Part, split_instances
from sightline.ops.draw import Color

CARD = FormatCard(
    name="voc-objects",
    summary="Pascal VOC: a map of object numbers and one of classes for each image",
    recognized_by="JPEGImages/a.jpg, SegmentationObject/a.png and SegmentationClass/a.png",
    target_types=("outlines",),
    writes=True,
)
_OBJECTS, _CLASSES, _IMAGES = "SegmentationObject", "SegmentationClass", "JPEGImages"
_LISTS = "ImageSets/Segmentation"
_VOID = 255
_MAX_OBJECTS = (1 << 16) - 2  # objects that a map of 16 bits has numbers for: not 0, nor that of no class
_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip


@dataclass
class _Read:
    """Content of the maps of one image: objects with class; their size; and errors."""

    parts: list[tuple[int, int, Part]] = field(default_factory=list)
    size: tuple[int, int] | None = None
    broken: list[str] = field(default_factory=list)


@dataclass
class _Lost:
    """What maps could not hold: pixels that objects share, images with such, objects of which nothing was
    left; and images with more objects than 8 bits have numbers for."""

    pixels: int = 0
    images: int = 0
    objects: int = 0
    wide: int = 0


def sniff(source: str, options: ReadOptions) -> float:
    """High if both kinds of maps exist and outlines are requested; other formats read boxes and class
    maps.
    """
    root = Path(source)
    has_both = all(files_in(root / name, ".png") for name in (_OBJECTS, _CLASSES))
    return 0.0 if not has_both else {"outlines": 0.98, None: 0.4}.get(options.target_type, 0.0)


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that ImageSets/Segmentation lists (all that have maps, where there are no lists).

    Classes are those of labelmap.txt, else VOC's twenty. The seam of no class is part of no object.

    Raises:
        DataError: If there are no such maps, or none can be read.
    """
    del options
    root = Path(source)
    maps = {path.stem: path for path in files_in(root / _OBJECTS, ".png")}
    if not maps:
        raise DataError(f"There are no maps of objects at '{root}'. Expected {CARD.recognized_by}.")
    names, colors, notes = _table(root)
    into = Outlined(root, asides=(_OBJECTS, _CLASSES))
    images = {p.stem: p for p in files_in(root / _IMAGES, *ALL_EXTENSIONS)}
    lists = _lists(root)
    chosen = sorted(lists or maps)
    here = [stem for stem in chosen if stem in maps]
    broken: list[str] = []

    def objects(stem: str) -> _Read:
        return _objects(maps[stem], root / _CLASSES / f"{stem}.png", colors, len(names))

    with ThreadPoolExecutor() as pool:
        for stem, result in zip(here, pool.map(objects, here), strict=True):
            path = images.get(stem, root / _IMAGES / f"{stem}.jpg")
            image = into.add_image(path, lists.get(stem, ""), result.size)
            broken += result.broken
            for number, kind, part in result.parts:
                into.stamp(image, names[kind], part, f"{name_of(maps[stem], root)} {number}", result.size)
    bare = [stem for stem in chosen if stem not in maps]
    what = "images that are listed have no map of objects, and were left out"
    into.note("annotations-missing", "warning", bare, what, "Add the maps, or take them out of the lists.")
    what = "maps or objects in them cannot be read, and were left out"
    into.note("annotations-broken", "error", broken, what, "Export these maps again.")
    return into.dataset(root, CARD.name, Classes(names[1:], tuple(range(1, len(names)))), names[1:], notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write JPEGImages, SegmentationObject, SegmentationClass, labelmap.txt, and ImageSets/Segmentation if
    there are splits.

    A pixel of such maps is of one object: what objects share is given to the later one. How many pixels that
    were is said, and how many objects have none left and are lost. Maps of more than 254 objects are PNG of
    16 bits without a palette, which is said too: the development kit has 8 bits. No seam is drawn around
    objects. Class ids are not held: they become 1 to K, 0 being the background.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no masks of objects, some items have no split and
            others have, a class name cannot stand in labelmap.txt, or there are more than 254 classes, or
            65,534 objects in an image.
    """
    if dataset.target_type != "outlines":
        raise DataError(f"The format '{CARD.name}' holds masks of objects, not a {dataset.target_type}.")
    names = dataset.classes.names if dataset.classes is not None else ()
    odd = [name for name in names if name[:1] == "#" or name == _NAMES[0]]
    if odd:
        raise DataError(f"Classes of objects in VOC begin with no '#', nor are they background: {odd[0]!r}.")
    most = int(dataset.targets_as(InstanceMasks).counts.max()) if len(dataset) else 0
    if len(names) >= _VOID or most > _MAX_OBJECTS:
        raise DataError(
            f"The format '{CARD.name}' holds up to {_VOID - 1} classes, and {_MAX_OBJECTS:,} objects a "
            "image. "
            f"Received {len(names):,} and {most:,}. Formats without such limits are coco and yolo."
        )
    class_table(dataset, folder, CARD.name, kinds=BOXES_AND_MASKS)
    split = all_split(dataset)
    for name in (_IMAGES, _OBJECTS, _CLASSES, *([_LISTS] if split else [])):
        (folder / name).mkdir(parents=True)
    palette, lost = [_levels(n) for n in range(256)], _Lost()
    lists: dict[str, list[str]] = {name: [] for name in (*SPLITS, "trainval")}
    for item in items(dataset):
        (folder / _IMAGES / f"{item.stem}{item.ending}").write_bytes(item.data)
        for name, drawn in zip((_OBJECTS, _CLASSES), _maps(item, lost), strict=True):
            data = encode_png(drawn, palette if drawn.dtype == np.uint8 else ())
            (folder / name / f"{item.stem}.png").write_bytes(data)
        for name in (item.split, "trainval") if item.split in ("train", "val") else (item.split,):
            lists.setdefault(name, []).append(item.stem)
    _write_tables(folder, (_NAMES[0], *names), lists if split else {})
    _tell(lost, folder)
    return folder


def _maps(item: Item, lost: _Lost) -> tuple[np.ndarray, np.ndarray]:
    """The map of object numbers (uint8, or uint16 if they are many) and that of classes (uint8), (H, W)."""
    wide = len(item.objects) >= _VOID
    objects = np.zeros(item.size, dtype=np.uint16 if wide else np.uint8)
    kinds = np.zeros(item.size, dtype=np.uint8)
    shared = 0
    for k, thing in enumerate(item.objects, 1):
        assert thing.mask is not None  # the target was looked at
        x, y, crop = thing.mask
        place = np.s_[y : y + crop.shape[0], x : x + crop.shape[1]]
        mine, its = objects[place], kinds[place]
        inside = crop[: mine.shape[0], : mine.shape[1]] > 0
        shared += int((mine[inside] > 0).sum())
        mine[inside] = k + (k >= _VOID)  # 255 is the seam's, in maps of 16 bits too
        its[inside] = thing.label + 1
    lost.pixels += shared
    lost.images += shared > 0
    lost.wide += wide
    if shared:
        lost.objects += len(item.objects) - len(np.unique(objects[objects > 0]))
    return objects, kinds


def _write_tables(folder: Path, names: tuple[str, ...], lists: dict[str, list[str]]) -> None:
    """Write labelmap.txt and the lists of splits that are not empty."""
    for name, stems in lists.items():
        if stems:
            text = "\n".join(stems) + "\n"
            (folder / _LISTS / f"{name}.txt").write_text(text, encoding="utf-8")
    rows = (f"{name}:{','.join(map(str, _levels(n)))}::\n" for n, name in enumerate(names))
    (folder / "labelmap.txt").write_text("".join(rows), encoding="utf-8")


def _tell(lost: _Lost, folder: Path) -> None:
    """Report what the maps cannot store."""
    if lost.pixels:
        say(
            f"A map of the format '{CARD.name}' holds one object a pixel: {lost.pixels:,} pixels in "
            f"{lost.images:,} images were given to the later of the objects there, and {lost.objects:,} "
            f"objects, covered whole, are not in {folder}. Formats for overlapping objects are coco and yolo."
        )
    if lost.wide:
        say(
            f"{lost.wide:,} images in {folder} have more than {_VOID - 1} objects: their maps are PNG of "
            "16 bits without a palette, which other programs for VOC may not read."
        )


def _table(root: Path) -> tuple[tuple[str, ...], dict[int, int], list[str]]:
    """Names by number, number of each colour (0xRRGGBB), and a note."""
    path = root / "labelmap.txt"
    if not path.is_file():
        return _NAMES, {_color(k): k for k in (*range(len(_NAMES)), _VOID)}, ["Classes are VOC's twenty."]
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [line.strip().rsplit(":", 3) for line in lines if line.count(":") > 2 and line[0] != "#"]
    rows.sort(key=lambda row: row[0].strip() != "background")  # which is number 0, wherever it is listed
    names = [row[0].strip() for row in rows]
    if not names or names[0] != "background":
        raise DataError(f"{path}: lists no background. Expected lines 'name:r,g,b::', one for background.")
    colors = {_color(_VOID): _VOID}
    for k, row in enumerate(rows):
        levels = [int(v) for v in row[1].split(",") if v.strip().isdigit()]
        if len(levels) == 3:
            colors[(levels[0] << 16) | (levels[1] << 8) | levels[2]] = k
    return tuple(names), colors, [f"Classes are from {path.name}."]


def _color(number: int) -> int:
    """The colour of a number in VOC's palette, 0xRRGGBB."""
    red, green, blue = _levels(number)
    return red << 16 | green << 8 | blue


def _levels(number: int) -> Color:
    """Color of a number in VOC's palette: its bits distributed to red, green and blue."""
    levels = [0, 0, 0]
    for k in range(8):
        levels[k % 3] |= (number >> k & 1) << (7 - k // 3)
    return levels[0], levels[1], levels[2]


def _lists(root: Path) -> dict[str, str]:
    """Split of each image that ImageSets/Segmentation lists; empty without lists."""
    by_stem: dict[str, str] = {}
    for split in SPLITS:
        path = root / _LISTS / f"{split}.txt"
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.strip():
                    by_stem.setdefault(line.strip(), split)
    return by_stem


def _objects(path: Path, classes: Path, colors: dict[int, int], count: int) -> _Read:
    """Read the two maps of one image."""
    objects = _Read()
    try:
        numbers, kinds = _codes(path), _codes(classes)
    except UnreadableImage as error:
        objects.broken.append(str(error))
        return objects
    if numbers[0].shape != kinds[0].shape:
        objects.broken.append(
            f"{path}: its size {numbers[0].shape} is not that of {classes}, {kinds[0].shape}"
        )
        return objects
    objects.size = (numbers[0].shape[0], numbers[0].shape[1])
    void = _color(_VOID) if numbers[1] else _VOID
    for number, (x, y, crop) in split_instances(numbers[0]):
        if number == void:
            continue
        inside = kinds[0][y : y + crop.shape[0], x : x + crop.shape[1]][crop > 0]
        keys, shares = np.unique(inside, return_counts=True)
        indices = [colors.get(k, -1) if kinds[1] else k for k in keys.tolist()]
        votes = {k: n for k, n in zip(indices, shares.tolist(), strict=True) if 0 < k < count}
        if votes:
            objects.parts.append((number, max(votes, key=lambda k: votes[k]), (x, y, crop)))
        else:
            objects.broken.append(f"{path}: object {number} has no class in {classes.name}")
    return objects


def _codes(path: Path) -> tuple[np.ndarray, bool]:
    """Numbers of a map, colours being 0xRRGGBB; and whether it has colours."""
    values = stored(path).values
    if values.ndim == 2:
        return values, False
    wide = values.astype(np.int64)
    return np.asarray((wide * [1 << 16, 1 << 8, 1]).sum(2)), True
