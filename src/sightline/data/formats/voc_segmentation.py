"""Pascal VOC semantic segmentation: a class map for each image, as PNG with VOC's palette.

Source: M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and its
development kit: 0 is the background, 1 to 20 are the classes, 255 is void (borders of objects, hard parts).
The colour of a number n has bits 0, 3, 6 of n in the highest bits of red, 1, 4, 7 in green, 2, 5 in blue.
"""

from __future__ import annotations

from pathlib import Path

from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Dataset
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.data.parsing.class_tables import Entry, Table, find_table, table_of
from sightline.data.parsing.map_discovery import MaskFolders, first_image, lists, looks_like_map, paired
from sightline.data.parsing.map_files import MaskFiles
from sightline.data.parsing.map_reading import dataset as dataset_of
from sightline.data.parsing.map_writing import class_table, write_maps
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import folders_in
from sightline.errors import DataError
from sightline.ops.draw import Color

CARD = FormatCard(
    name="voc-segmentation",
    summary="Pascal VOC segmentation: a PNG of classes for each image",
    recognized_by="JPEGImages/a.jpg and SegmentationClass/a.png, perhaps ImageSets/Segmentation/train.txt",
    target_types=("masks",),
    writes=True,
)
NAMES_OF_VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_IMAGES, _MASKS = "JPEGImages", ("SegmentationClass", "SegmentationClassPNG", "SegmentationClassRaw")
_LISTS = "ImageSets/Segmentation"


def sniff(source: str, options: ReadOptions) -> float:
    """High for JPEGImages beside SegmentationClass; a little lower if boxes exist too."""
    root = _unwrapped(Path(source))
    place = _place(root) if options.target_type in (None, CARD.target_types[0]) and root.is_dir() else None
    mask = None if place is None else first_image(place.masks)
    if mask is None or not looks_like_map(mask):
        return 0.0
    return 0.96 if options.target_type is None else 0.99


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that ImageSets/Segmentation lists (all with a map, where there are no lists).

    Classes are those of labelmap.txt (or another table), else VOC's own. Maps in colours are read by the
    table's colours, else by VOC's.

    Raises:
        DataError: If there are no such folders, or none of the maps can be used.
    """
    del options
    root = _unwrapped(Path(source))
    place = _place(root) if root.is_dir() else None
    if place is None:
        raise DataError(f"There is no Pascal VOC segmentation at '{root}'. Expected {CARD.recognized_by}.")
    files = MaskFiles(root)
    files.table, files.messages = find_table([root, place.masks, root / _LISTS])
    if files.table is None:
        files.messages.append("Class names are those of Pascal VOC: there is no labelmap.txt.")
        files.table = table_of([Entry(name) for name in NAMES_OF_VOC], "Pascal VOC")
    files.table = _with_void(files.table)
    items, alone = paired(place)
    named = lists(root / _LISTS)
    # Most images of VOC have boxes only: without lists those with a map are meant.
    files.items = items if named else [item for item in items if item.masks]
    files.split_by(named)
    if not named:
        bare = [files.name(item) for item in items if not item.masks]
        what = "images have no mask, and were left aside"
        files.note("images-without-mask", "info", bare, what, "Nothing, if they are for other tasks.")
        files.alone(alone)
    return dataset_of(files, root, CARD.name)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write JPEGImages, SegmentationClass, ImageSets/Segmentation (if there are splits) and labelmap.txt.

    Class ids are not held: they become 0 to K-1, and 255 is no class.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no class maps, some items have no split, or a
            class name cannot stand in labelmap.txt.
    """
    classes = class_table(dataset, folder, CARD.name)
    odd = [n for n in classes.names if n != n.strip() or not n.isprintable() or n[:1] in ("", "#")]
    if odd:
        raise DataError(f"Class names of VOC are printable and begin with no '#'. Rename {odd[0]!r}.")
    lines: dict[str, list[str]] = {name: [] for name in (*SPLITS, "trainval")}
    for name in (_IMAGES, _MASKS[0], _LISTS):
        (folder / name).mkdir(parents=True)
    for item in write_maps(dataset, range(len(classes)), [color_of(n) for n in range(256)]):
        (folder / _IMAGES / f"{item.stem}{item.ending}").write_bytes(item.data)
        (folder / _MASKS[0] / f"{item.stem}.png").write_bytes(item.mask)
        for name in (item.split, "trainval") if item.split in ("train", "val") else (item.split,):
            lines.setdefault(name, []).append(item.stem)
    for name in (*SPLITS, "trainval"):
        if lines[name]:
            text = "\n".join(lines[name]) + "\n"
            (folder / _LISTS / f"{name}.txt").write_text(text, encoding="utf-8")
    colors = (",".join(map(str, color_of(n))) for n in range(len(classes)))
    rows = "".join(f"{name}:{color}::\n" for name, color in zip(classes.names, colors, strict=True))
    (folder / "labelmap.txt").write_text(rows, encoding="utf-8")
    return folder


def color_of(n: int) -> Color:
    """VOC's colour of a number in [0, 255]."""
    parts = [0, 0, 0]
    for bit in range(8):
        parts[bit % 3] |= (n >> bit & 1) << (7 - bit // 3)
    return parts[0], parts[1], parts[2]


def _unwrapped(root: Path) -> Path:
    """The folder itself, or the only one in it that is laid out so (VOCdevkit/VOC2012)."""
    for _ in range(2):
        inner = folders_in(root) if _place(root) is None else []
        deeper = [f for f in inner if _place(f) is not None] or inner
        if len(deeper) != 1:
            break
        root = deeper[0]
    return root


def _place(root: Path) -> MaskFolders | None:
    """The folders of images and maps; several, where maps were exported in several ways."""
    masks = [root / name for name in _MASKS if (root / name).is_dir()]
    return MaskFolders(root / _IMAGES, masks[0], "") if masks and (root / _IMAGES).is_dir() else None


def _with_void(table: Table) -> Table:
    """Class table with 255 as ignore index, and with VOC's colors if it has none."""
    rows = list(zip(table.entries, table.ids, strict=True))
    bare = not table.colors
    entries = [Entry(e.name, i, _code(i) if bare and 0 <= i < IGNORE_INDEX else e.color) for e, i in rows]
    void = {*table.void, *({IGNORE_INDEX} - set(table.ids))}
    base = table_of(entries, table.source)
    colors = {*table.void_colors, *((_code(v) for v in void if 0 <= v <= IGNORE_INDEX) if bare else ())}
    return Table(base.entries, base.ids, tuple(void), tuple(colors), False, table.source, table.names)


def _code(n: int) -> int:
    red, green, blue = color_of(n)
    return red << 16 | green << 8 | blue
