"""Class maps: images and their masks in parallel folders.

A map is an image whose pixels are class ids: the index in a file with a palette (whose colours are for
viewers only), the grey level of 8 or 16 bits, or, where a table says what they mean, the colour.
"""

from __future__ import annotations

import json
from pathlib import Path

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.class_tables import find_table
from sightline.data.parsing.known_tables import known_table
from sightline.data.parsing.map_discovery import by_names, lists, looks_like_map, paired, places, stacks
from sightline.data.parsing.map_files import MaskFiles
from sightline.data.parsing.map_reading import dataset as dataset_of
from sightline.data.parsing.map_writing import class_table, void_of, write_maps
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError
from sightline.ops.draw import Color, color_of

CARD = FormatCard(
    name="masks",
    summary="images and their class maps in parallel folders, as PNG of ids or colors, or TIFF stacks",
    recognized_by="images/a.jpg and masks/a.png, train/a.jpg and trainannot/a.png, train/a.jpg and "
    "train/a_mask.png, or train-volume.tif and train-labels.tif; perhaps classes.txt",
    target_types=("masks",),
    writes=True,
)
_SOME = 3


def sniff(source: str, options: ReadOptions) -> float:
    """High if folders of images and of maps lie side by side, and the first maps are class maps."""
    root = Path(source)
    if options.target_type not in (None, CARD.target_types[0]) or not root.is_dir():
        return 0.0
    # Classes may be called "images" and "labels": some map must go with an image.
    parts = places(root)[0] or (by_names(root) if options.target_type is not None else [])
    items = [next((i for i in paired(p)[0] if i.masks), None) for p in parts[:_SOME]]
    some = [item.masks[0][1] for item in items if item is not None]
    some = some or [item.masks[0][1] for item in stacks(root)[:_SOME]]
    if not any(map(looks_like_map, some)):
        return 0.0
    return 0.96 if options.target_type is None else 0.99


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images that have a map. Nothing is interpolated: a pixel has the class in the file.

    Numbers or colours that the class table has not become no class (VOID), and a finding counts them. Without
    a table the numbers that are there are the classes; of 0 and 255, 0 is background and 255 foreground.

    Raises:
        DataError: If there are no such folders, or none of the maps can be used.
    """
    del options
    root = Path(source)
    parts, notes = places(root) if root.is_dir() else ([], [])
    loose = [] if parts else stacks(root)
    parts = parts or ([] if loose or not root.is_dir() else by_names(root))
    if not parts and not loose:
        raise DataError(f"There are no images with class maps at '{root}'. Expected {CARD.recognized_by}.")
    files = MaskFiles(root, loose, messages=notes)
    alone = []
    for part in parts:
        items, rest = paired(part)
        files.items += items
        alone += rest
    files.alone(alone)
    if not any(name for item in files.items for name, _ in item.masks):
        folders = [root, *(f for part in parts for f in (part.masks, part.masks.parent))]
        folders += dict.fromkeys(path.parent for item in files.items[:_SOME] for _, path in item.masks)
        files.table, more = find_table(folders)
        if files.table is None:
            files.table, more = known_table(root, files.items)
        files.messages += more
    files.split_by(lists(root) or (lists(parts[0].masks) if parts else {}))
    return dataset_of(files, root, CARD.name)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write images/SPLIT, masks/SPLIT (PNG of class ids, with a palette) and classes.json.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no class maps, or some items have no split.
    """
    classes = class_table(dataset, folder, CARD.name)
    for item in write_maps(dataset, classes.ids, palette(classes)):
        for kind, ending, data in (("images", item.ending, item.data), ("masks", ".png", item.mask)):
            place = folder / kind / item.split / f"{item.stem}{ending}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.json").write_text(table_text(classes), encoding="utf-8")
    return folder


def palette(classes: Classes) -> list[Color]:
    """Palette: color of each number from 0 to 255, by the class with that id."""
    colors = dict(zip(classes.ids, map(color_of, range(len(classes))), strict=True))
    return [colors.get(i, (0, 0, 0)) for i in range(256)]


def table_text(classes: Classes) -> str:
    """classes.json: id and name of each class, and the ignore index."""
    rows = [{"id": i, "name": name} for i, name in zip(classes.ids, classes.names, strict=True)]
    document = {"classes": rows, "void": [void_of(classes.ids)]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
