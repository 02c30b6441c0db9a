"""Instance masks: one mask file for each object in a folder for each image, or one label map for each image.

Source: the layout of the Data Science Bowl 2018 (J. Caicedo et al., "Nucleus segmentation across imaging
experiments", Nature Methods 16, 2019), and that of the numbered maps which programs for microscopy write.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.core.targets.bitmaps import CompressedMaps
from sightline.core.targets.masks import SemanticMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.io.encode import encode_png
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import stored
from sightline.data.io.walk import files_in
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import Outlined
from sightline.data.parsing.splits import SPLIT_WORDS, folders_in, name_of, split_folders, split_of
from sightline.data.parsing.writing import BOXES_AND_MASKS, Item, all_split, class_table, items, stems
from sightline.errors import DataError, UnreadableImage
from sightline.ops.contours import Part, cut_out, split_instances

CARD = FormatCard(
    name="instance-masks",
    summary="a folder an image with one mask file an object; or one map of object numbers an image",
    recognized_by="ID/images/ID.png with ID/masks/*.png for each image, perhaps train.txt and test.txt "
    "beside",
    target_types=("outlines", "instances", "masks"),
    writes=True,
)
_NAME = "object"
_IMAGES, _MASKS = "images", "masks"
_GLANCE = 20
_LOSSY = ("jpeg", "webp")


@dataclass(frozen=True)
class _Item:
    """An image, its split, and the files of its objects, or the one label map of them all."""

    image: Path
    split: str
    files: tuple[Path, ...]
    numbered: bool = False


@dataclass
class _Read:
    """Content of the files of one image: objects with file and size; and errors."""

    parts: list[tuple[str, Part, tuple[int, int]]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High if folders hold one image in `images` and its masks in `masks`. Label maps must be requested."""
    root = Path(source)
    if options.target_type not in (None, *CARD.target_types) or not root.is_dir():
        return 0.0
    for top, _ in _tops(root):
        some = [f for f in folders_in(top)[:_GLANCE] if f.name.lower() not in SPLIT_WORDS]
        whole = [f for f in some if (f / _MASKS).is_dir() and len(_image_files(f / _IMAGES)) == 1]
        if whole and len(whole) > len(some) / 2:
            return 0.97
    return 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images with their objects of one class; only those that train.txt, ... list, if these exist.

    Target "instances" gives the boxes around the masks, "masks" a map of background and objects. In mask
    files what is above half of the highest number is the object: 255 or 1, else a finding says so. Maps
    of object numbers (images/a.png and masks/a.png, 0 where nothing is) are read where there are no
    folders of masks.

    Raises:
        DataError: If neither is there.
    """
    root = Path(source)
    into = Outlined(root, asides=(_MASKS,))
    bare: list[str] = []
    items = _items(root, into, bare) or _maps(root, bare)
    if not items:
        raise DataError(f"There are no images with masks at '{root}'. Expected {CARD.recognized_by}.")
    odd: list[str] = []
    broken: list[str] = []
    with ThreadPoolExecutor() as pool:
        for item, objects in zip(items, pool.map(_objects, items), strict=True):
            image = into.add_image(item.image, item.split)
            odd += [name_of(Path(name), root) for name in objects.odd]
            broken += objects.broken
            for name, part, size in objects.parts:
                into.stamp(image, _NAME, part, name_of(Path(name), root), size)
    what = "mask files hold other numbers than 0 and 255; what is above half of the highest was taken"
    into.note("masks-not-binary", "warning", odd, what, "Write 0 for the background and 255 for the object.")
    what = "mask files cannot be read; their objects are lacking"
    into.note("annotations-broken", "error", broken, what, "Fetch or export these files again.")
    what = "images have no masks folder or map, and were left out"
    into.note("annotations-missing", "warning", bare, what, "Add an empty folder, if they show no object.")
    dataset = into.dataset(root, CARD.name, Classes((_NAME,)), (_NAME,))
    return _as(dataset, options.target_type)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write images/ID/images/ID.png, images/ID/masks/000001.png, ... (0 and 255), and train.txt, ... of IDs.

    Masks may overlap. The format has one class and no name for it: it is read as "object", with id 0; another
    name is said. Images get numbers for names where one is that of a split ("test") or ends like a file.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no masks of objects, there are several classes,
            or some items have no split and others have.
    """
    if dataset.target_type != "outlines":
        raise DataError(f"The format '{CARD.name}' holds masks of objects, not a {dataset.target_type}.")
    if dataset.classes is not None and len(dataset.classes) > 1:
        raise DataError(
            f"The format '{CARD.name}' holds objects of one class. Received {len(dataset.classes):,}: "
            f"{', '.join(dataset.classes.names[:5])}. Formats for masks with classes are coco, cvat, "
            "label-studio and yolo, and voc-objects where objects do not overlap."
        )
    classes = class_table(dataset, folder, CARD.name, kinds=BOXES_AND_MASKS)
    split = all_split(dataset)
    if classes.names not in ((_NAME,), ()):
        say(f"The format '{CARD.name}' holds no class name: '{classes.names[0]}' is read as '{_NAME}'.")
    sound = all(map(_sound, stems(dataset)))
    lists: dict[str, list[str]] = {}
    (folder / _IMAGES).mkdir(parents=True)
    for item in items(dataset):
        stem = item.stem if sound else f"{item.number:06d}"
        _write_item(item, folder / _IMAGES / stem, stem)
        lists.setdefault(item.split, []).append(stem)
    for name, listed in lists.items() if split else ():
        (folder / f"{name}.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    return folder


def _sound(stem: str) -> bool:
    """Whether a folder of this name is read as that of one image, and a line in train.txt as its name."""
    return stem.lower() not in SPLIT_WORDS and Path(stem).suffix.lower() not in ALL_EXTENSIONS


def _write_item(item: Item, folder: Path, stem: str) -> None:
    """Write an image, and a mask file for each of its objects."""
    for name in (_IMAGES, _MASKS):
        (folder / name).mkdir(parents=True)
    (folder / _IMAGES / f"{stem}{item.ending}").write_bytes(item.data)
    for number, thing in enumerate(item.objects, 1):
        assert thing.mask is not None  # the target was looked at
        x, y, crop = thing.mask
        whole = np.zeros(item.size, dtype=np.uint8)
        part = whole[y : y + crop.shape[0], x : x + crop.shape[1]]
        part[crop[: part.shape[0], : part.shape[1]] > 0] = 255
        (folder / _MASKS / f"{number:06d}.png").write_bytes(encode_png(whole))


def _as(dataset: Dataset, target_type: str | None) -> Dataset:
    """Convert to boxes or class maps, if these are requested."""
    targets = dataset.targets_as(InstanceMasks)
    if target_type == "instances":
        return replace(dataset, targets=targets.boxed())
    if target_type != "masks":
        return dataset
    maps = []
    for i in range(len(targets)):
        masks = targets[i]
        whole = np.zeros(masks.sizes[0].tolist(), dtype=np.uint8)
        for x, y, crop in masks.bitmaps:
            whole[y : y + crop.shape[0], x : x + crop.shape[1]] |= crop
        maps.append(CompressedMaps.of(whole))
    return replace(
        dataset, targets=SemanticMasks(targets.sizes, tuple(maps)), classes=Classes(("background", _NAME))
    )


def _tops(root: Path) -> list[tuple[Path, str]]:
    """Folders that may hold a folder for each image, with their splits."""
    parts = [(f, split_of(f.name)) for f in folders_in(root) if split_of(f.name)]
    return [(root, ""), (root / _IMAGES, ""), *parts]


def _image_files(folder: Path) -> list[Path]:
    """Images right in a folder, sorted."""
    if not folder.is_dir():
        return []
    return files_in(folder, *ALL_EXTENSIONS)


def _items(root: Path, into: Outlined, bare: list[str]) -> list[_Item]:
    """Images with a folder each."""
    lists = _lists(root)
    items, several = [], []
    for top, split in _tops(root):
        for folder in folders_in(top):
            images = _image_files(folder / _IMAGES)
            own_split = lists.get(folder.name, "") if lists else split
            if not images or folder.name.lower() in SPLIT_WORDS or (lists and not own_split):
                continue
            if len(images) > 1:
                several.append(name_of(folder, root))
            elif not (folder / _MASKS).is_dir():
                bare.append(name_of(images[0], root))
            else:
                items.append(_Item(images[0], own_split, tuple(_image_files(folder / _MASKS))))
    if items:
        what = "folders have more than one image, and were left out"
        into.note("entries-broken", "error", several, what, "Give each image a folder of its own.")
        here = {item.image.parent.parent.name for item in items} | {
            Path(name).parent.parent.name for name in bare
        }
        gone = sorted(set(lists) - here - {Path(name).name for name in several})
        what = "images that train.txt, val.txt or test.txt list are not there"
        into.note(
            "files-missing", "error", gone, what, "Put the folders there, or take them out of the list."
        )
    return items


def _maps(root: Path, bare: list[str]) -> list[_Item]:
    """Images with a map each: images/a.png and masks/a.png, also in train, val and test."""
    parts = [(root / _IMAGES, root / _MASKS, "")]
    for folder, split in split_folders(root / _IMAGES):
        parts.append((folder, root / _MASKS / folder.name, split))
    for folder, split in split_folders(root):
        parts.append((folder / _IMAGES, folder / _MASKS, split))
    lists, items = _lists(root), []
    for images, masks, split in parts:
        maps = {path.stem: path for path in _image_files(masks)}
        for image in _image_files(images):
            own_split = lists.get(image.stem, "") if lists else split
            if lists and not own_split:
                continue
            if image.stem in maps:
                items.append(_Item(image, own_split, (maps[image.stem],), numbered=True))
            else:
                bare.append(name_of(image, root))
    return items


def _lists(root: Path) -> dict[str, str]:
    """Split of each image that train.txt, val.txt and test.txt list, one a line; empty without them."""
    by_key: dict[str, str] = {}
    for split in SPLITS:
        path = root / f"{split}.txt"
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                name = Path(line.strip())  # IDs may have points and spaces of their own
                if name.name:
                    key = name.stem if name.suffix.lower() in ALL_EXTENSIONS else name.name
                    by_key.setdefault(key, split)
    return by_key


def _objects(item: _Item) -> _Read:
    """Read the files of one image."""
    objects = _Read()
    for path in item.files:
        try:
            file = stored(path)
        except UnreadableImage as error:
            objects.broken.append(str(error))
            continue
        if item.numbered and file.kind in _LOSSY:
            objects.broken.append(f"{path}: {file.kind} changes numbers. Save maps as PNG or TIFF.")
            continue
        values = file.values if file.values.ndim == 2 else _color_codes(file.values, item.numbered)
        size = (values.shape[0], values.shape[1])
        for name, part in _numbered(path, values) if item.numbered else [(str(path), _object(values))]:
            objects.parts.append((name, part, size))
        if not item.numbered and not _binary(values):
            objects.odd.append(str(path))
    return objects


def _color_codes(colors: np.ndarray, numbered: bool) -> np.ndarray:
    """Convert colors (H, W, 3) to one number per pixel: a code if they identify objects, else the
    brightest channel.
    """
    wide = colors.astype(np.int64)
    return np.asarray((wide * [1 << 16, 1 << 8, 1]).sum(2) if numbered else wide.max(2))


def _numbered(path: Path, values: np.ndarray) -> Iterator[tuple[str, Part]]:
    """The objects of a label map."""
    for number, part in split_instances(values):
        yield f"{path} object {number}", part


def _object(values: np.ndarray) -> Part:
    """The object of a mask file."""
    return cut_out(values > int(values.max(initial=0)) // 2)


def _binary(values: np.ndarray) -> bool:
    """Whether a mask has no other numbers than 0 and 255, or 0 and 1 (a file of one bit)."""
    top = int(values.max(initial=0))
    return top in (0, 1, 255) and bool(((values == 0) | (values == top)).all())
