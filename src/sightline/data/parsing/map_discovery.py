"""Discovery of images and their class maps: parallel folders, splits, and which map belongs to which
image.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sightline.core.dataset import SPLITS
from sightline.data.io.file_types import ALL_EXTENSIONS, EXTENSIONS
from sightline.data.io.images import size_of
from sightline.data.io.label_maps import look
from sightline.data.io.walk import files_in, walk
from sightline.data.parsing.known_layouts import known_places
from sightline.data.parsing.splits import SPLIT_WORDS, folders_in, is_there, name_of, split_folders, split_of
from sightline.errors import UnreadableImage

IMAGES = ("images", "image", "imgs", "img", "pictures", "images_png", "img_dir")
MASKS = (
    "1st_manual", "manual", "masks", "mask", "masks_png", "labels", "label", "annotations", "annotation",
    "annot", "gt", "groundtruth", "ground_truth", "segmentations", "segmentation", "labels_png", "semantic",
    "ann_dir",
)  # fmt: skip
"""Names of folders of maps, the likeliest first: beside a manual segmentation a mask is the field of view."""
_SOME = 3
FEW, FLAT = 32, 0.3
"""A map holds few values, or long stretches of them: at most so many a pixel."""
_WORDS = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_BEFORE, _AFTER = re.compile(rf"({_WORDS})[_-]?(.*)"), re.compile(rf"(.*?)[_-]({_WORDS})")
_STACK = {
    "volume": "",
    "volumes": "",
    **dict.fromkeys(IMAGES, ""),
    **dict.fromkeys(MASKS, "mask"),
    "seg": "mask",
}
_FLAT = re.compile(r"(.*)([_-](mask|seg|segmentation|label|labels|gt|groundtruth))", re.IGNORECASE)
_MOSTLY = 0.8
"""Share of images in one folder that have a map called after them in another."""
_LEADING = re.compile(rf"^({'|'.join(MASKS)}|seg)[_-]", re.IGNORECASE)


@dataclass(frozen=True)
class MaskFolders:
    """A folder of images and the folder of their maps.

    Attributes:
        images: Folder, searched at any depth.
        masks: Likewise.
        split: What the folders' names say, or "".
        ends: What the names of images and of maps end with, beside what they share.
    """

    images: Path
    masks: Path
    split: str
    ends: tuple[str, str] = ("", "")


@dataclass
class Item:
    """An image and its maps.

    Attributes:
        image: Its file.
        split: train, val, test or "".
        masks: Class and file of each map; the class is "" for one that shows all classes.
        page: Page of image and maps, from 0.
        pages: How many there are.
    """

    image: Path
    split: str
    masks: list[tuple[str, Path]] = field(default_factory=list)
    page: int = 0
    pages: int = 1


def looks_like_map(path: Path) -> bool:
    """Whether a file holds a class map and no photograph."""
    try:
        label_map = look(path)
    except UnreadableImage:
        return False
    height, width = label_map.shape
    return len(label_map.keys) <= FEW or label_map.runs <= FLAT * height * width


def places(root: Path) -> tuple[list[MaskFolders], list[str]]:
    """All parts of a data set, and a note on folders that are left aside."""
    side_by_side, aside = _side_by_side(root, "")
    if not side_by_side:
        for folder, split in split_folders(root):
            more, rest = _side_by_side(folder, split)
            side_by_side, aside = side_by_side + more, aside + (rest if more else [folder])
    if not side_by_side:
        parts, aside = known_places(root)
        side_by_side = [MaskFolders(*part) for part in parts]
    if not side_by_side:
        side_by_side = _flat(root)
        aside = [f for f, _ in split_folders(root) if f not in [p.images for p in side_by_side]]
    notes = [f"Not read: {', '.join(name_of(p, root) for p in aside)}."] if side_by_side and aside else []
    inner = [] if side_by_side else [f for f in folders_in(root) if first_image(f) is not None]
    if len(inner) == 1 and not files_in(root, *ALL_EXTENSIONS):  # a folder that only wraps the others
        return places(inner[0])
    return side_by_side, notes


def by_names(root: Path) -> list[MaskFolders]:
    """Folders of any names, of which one holds photographs and one maps that are called after them; of a data
    set, or of each of its splits. None where several could be meant."""
    root_split = SPLIT_WORDS.get(root.name.lower(), "")
    for tops in ([(root, root_split)], split_folders(root)):
        pairs_by_top = [(split, pairs_of(folders_in(top))) for top, split in tops]
        if any(pairs for _, pairs in pairs_by_top) and all(len(pairs) <= 1 for _, pairs in pairs_by_top):
            return [MaskFolders(*pairs[0], split) for split, pairs in pairs_by_top if pairs]
    return []


def pairs_of(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Folders of photographs, each with a folder of maps of the same sizes that are called after them."""
    firsts = {f: p for f in folders if (p := first_image(f)) is not None}
    maps = [f for f, p in firsts.items() if looks_like_map(p)]
    photos = [f for f in firsts if f not in maps] if maps else []
    return [(f, m) for f in photos for m in maps if _called_alike(MaskFolders(f, m, ""))]


def _called_alike(place: MaskFolders) -> bool:
    items, alone = paired(place)
    having = [item for item in items if item.masks]
    if len(having) < _MOSTLY * len(items) or len(alone) > (1 - _MOSTLY) * len(items):
        return False
    try:
        return all(size_of(i.image) == look(i.masks[0][1]).shape for i in having[:_SOME])
    except UnreadableImage:
        return False


def _flat(root: Path) -> list[MaskFolders]:
    """a.jpg and a_mask.png (or a_sat.jpg and a_mask.png) in one folder, or in each folder of a split."""
    places = []
    for folder, split in ((root, ""), *split_folders(root)):
        stems = [p.stem for p in files_in(folder, *ALL_EXTENSIONS)]
        masks = [m for stem in stems if (m := _FLAT.fullmatch(stem))]
        ends = {m[2] for m in masks}
        if len(ends) != 1:
            continue
        (end,) = ends
        others = [stem for stem in stems if not stem.endswith(end)]
        own_end = "" if {m[1] for m in masks} & {*others} else _common_end(others)
        if sum(f"{m[1]}{own_end}" in others for m in masks) >= _MOSTLY * len(masks):
            places.append(MaskFolders(folder, folder, split, (own_end, end)))
    return sorted(places, key=lambda p: ("", *SPLITS).index(p.split))


def _side_by_side(folder: Path, split: str) -> tuple[list[MaskFolders], list[Path]]:
    """images/ beside masks/, train/ beside trainannot/, images_train/ beside masks_train/."""
    images: dict[str, list[Path]] = defaultdict(list)
    masks: dict[str, list[Path]] = defaultdict(list)
    for inner in folders_in(folder):
        part, kind = _kind(inner.name.lower())
        if kind:
            (images if kind == "images" else masks)[part].append(inner)
    places, aside = [], []
    for part in sorted(masks, key=lambda s: ("", *SPLITS).index(s)):
        ranked = sorted(masks[part], key=lambda p: _rank(p.name.lower()))
        holding = [p for p in ranked if first_image(p) is not None]
        if not images.get(part) or not holding:
            continue
        places += _inner(images[part][0], holding[0], part or split)
        aside += [*holding[1:], *images[part][1:]]
    kinds = {f for rows in (*images.values(), *masks.values()) for f in rows}
    aside += [f for f in folders_in(folder) if places and f not in kinds and first_image(f) is not None]
    known_splits = {p.split for p in places}
    # A split without masks can be neither trained on nor scored.
    aside += [p for part, ps in images.items() if places and part and part not in known_splits for p in ps]
    return places, aside


def _kind(name: str) -> tuple[str, str]:
    """Split and kind ("images", "masks" or "") that a folder's name speaks of."""
    for pattern, (word, rest) in ((_BEFORE, (1, 2)), (_AFTER, (2, 1))):
        match = pattern.fullmatch(name)
        if match and match[rest] in ("", *IMAGES, *MASKS):
            return SPLIT_WORDS[match[word]], "masks" if match[rest] in MASKS else "images"
    bare = name.rstrip("0123456789").rstrip("_-")  # KITTI's image_2
    return "", "masks" if name in MASKS else "images" if bare in IMAGES else ""


def _rank(name: str) -> int:
    return next((n for n, word in enumerate(MASKS) if word in name), len(MASKS))


def _inner(images: Path, masks: Path, split: str) -> list[MaskFolders]:
    """Folders of splits in both, or both as they are."""
    within = {part: folder for folder, part in split_folders(masks)}
    places = []
    for folder, part in split_folders(images):
        if not split and part in within:
            places.append(MaskFolders(folder, within[part], part))
    return sorted(places, key=lambda p: SPLITS.index(p.split)) or [MaskFolders(images, masks, split)]


def first_image(folder: Path) -> Path | None:
    """The first image in a folder, at any depth."""
    return next(_files(folder), None)


def _files(folder: Path) -> Iterator[Path]:
    """Images in a folder at any depth, sorted folder by folder."""
    for top, _, names in walk(folder):
        for name in names:
            if os.path.splitext(name)[1].lower() in ALL_EXTENSIONS:  # noqa: PTH122
                yield top / name


def _stems(folder: Path, end: str) -> dict[str, list[Path]]:
    """Images in a folder by their path below it without ending, less `end`, which all must have."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in _files(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem.endswith(end):
            by_stem[stem.removesuffix(end)].append(path)
    return by_stem


def paired(place: MaskFolders) -> tuple[list[Item], list[Path]]:
    """Match images with maps; also returns maps of no image, or of an image that has another.

    A map has its image's name (`a.png`), and perhaps one word more that all maps share (`a_mask.png`). Maps
    of one class each lie in a folder of the class (`cat/a.png`) or have its name in theirs (`a_cat.png`).
    """
    images, masks = _stems(place.images, place.ends[0]), _stems(place.masks, place.ends[1])
    if place.images == place.masks and not place.ends[0]:
        images = {stem: paths for stem, paths in images.items() if not stem.endswith(place.ends[1])}
    owners: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    others: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    alone: list[Path] = []
    for stem, paths in masks.items():
        best, *rest = sorted(paths, key=lambda p: p.suffix.lower() in (*EXTENSIONS["jpeg"], ".webp"))
        alone += rest
        owner, word = _owner(stem, images)
        if owner is None:
            alone.append(best)
        else:
            (others if word else owners)[owner].append((word, best))
    ends = _common_end(list(images)), _common_end(list(masks))
    if not owners and not others and not any(place.ends) and any(ends):
        return paired(replace(place, ends=ends))
    if owners:
        alone += [path for rows in others.values() for _, path in rows]
    else:
        words = {word for rows in others.values() for word, _ in rows}
        if len(words) == 1 and (not words.pop().startswith("/") or _whole(others)):
            owners = {owner: [("", path) for _, path in rows] for owner, rows in others.items()}
        else:
            owners = {o: sorted((_class(word), path) for word, path in rows) for o, rows in others.items()}
    items = [
        Item(path, place.split, owners.get(stem, [])) for stem, paths in images.items() for path in paths
    ]
    return items, sorted(alone)


def _whole(others: dict[str, list[tuple[str, Path]]]) -> bool:
    """Whether maps in the one folder that holds all of them show more than one class each."""
    some = [rows[0][1] for rows in list(others.values())[:_SOME]]
    try:
        return any(len(look(path).keys) > 2 for path in some)
    except UnreadableImage:
        return False


def _common_end(stems: Sequence[str]) -> str:
    """What all of several names end with, from a mark on: "_leftImg8bit"; "" for nothing."""
    if len(stems) < 2:
        return ""
    same = os.path.commonprefix([stem[::-1] for stem in stems])[::-1]  # noqa: RUF071 (of letters, as is meant)
    begin = re.search(r"[_.\-]", same)
    return same[begin.start() :] if begin and not same[begin.start() :].strip("_.-").isdigit() else ""


def _owner(stem: str, images: dict[str, list[Path]]) -> tuple[str | None, str]:
    """Image that a map belongs to, and the rest of its name; "/cat" for a class folder."""
    if stem in images:
        return stem, ""
    bare = _LEADING.sub("", stem)
    if bare in images:
        return bare, ""
    first, _, below = stem.partition("/")
    if below and below in images:
        return below, f"/{first}"
    ends = [m.start() for m in re.finditer(r"[_.\- ]", stem)]
    for end in reversed(ends):
        if stem[:end] in images and not _class(stem[end + 1 :]).isdigit():  # a number: one of many objects
            return stem[:end], stem[end + 1 :]
    return None, ""


def _class(word: str) -> str:
    """The class that a folder or a name speaks of: "/cat", "cat" and "mask_cat" are cat."""
    return _LEADING.sub("", word.removeprefix("/")) or word


def stacks(root: Path) -> list[Item]:
    """Files of a folder that belong together by name: train-volume.tif and train-labels.tif."""
    if not root.is_dir():
        return []
    by_name: dict[str, dict[str, Path]] = defaultdict(dict)
    with os.scandir(root) as entries:
        names = sorted(e.name for e in entries if e.name.lower().endswith((".tif", ".tiff")))
    for name in names:
        words = [w for w in re.split(r"[-_. ]", Path(name).stem.lower()) if w]
        kind = next((_STACK[w] for w in words if _STACK.get(w)), "")
        by_name[" ".join(w for w in words if w not in _STACK)].setdefault(kind, root / name)
    pairs = [pair for pair in by_name.values() if len(pair) == 2]
    return [Item(pair[""], split_of(pair[""].stem), [("", pair["mask"])]) for pair in pairs]


def lists(folder: Path) -> dict[str, list[str]]:
    """Names of images that train.txt, val.txt and test.txt list; empty without them.

    Where only trainval.txt and val.txt are there, train is what is in the one and not in the other.
    """
    by_split: dict[str, list[str]] = {}
    for word in (*SPLIT_WORDS, "trainval"):
        path = folder / f"{word}.txt"
        if is_there(path):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            names = [line.split("\t")[0].strip() for line in lines if line.strip()]
            by_split.setdefault(SPLIT_WORDS.get(word, word), []).extend(names)
    both = by_split.pop("trainval", None)
    if both is not None and "train" not in by_split:
        held = set(by_split.get("val", ()))
        by_split["train"] = [name for name in both if name not in held]
    return by_split


def by_lists(
    items: list[Item], named: dict[str, list[str]]
) -> tuple[list[Item], list[Item], list[str], list[str]]:
    """What lists of splits say of some images.

    Returns:
        Those that are listed, with their splits; the others; names that are listed and not there; and
        images that are in two lists, which were taken for the first.
    """
    rows_by_tail: dict[str, list[int]] = defaultdict(list)
    for n, item in enumerate(items):
        parts = item.image.with_suffix("").parts
        for k in range(1, min(len(parts), 5) + 1):
            rows_by_tail["/".join(parts[-k:])].append(n)
    splits: dict[int, str] = {}
    gone, torn = [], []
    for split in (s for s in SPLITS if s in named):
        for name in named[split]:
            hits = [n for n in _listed(name, rows_by_tail) if items[n].split in ("", split)]
            gone += [] if hits else [f"{name} ({split})"]
            for n in hits:
                if splits.setdefault(n, split) != split:
                    torn.append(f"{name} ({splits[n]} and {split})")
    for n, split in splits.items():
        items[n].split = split
    listed = [items[n] for n in range(len(items)) if n in splits]
    return listed, [items[n] for n in range(len(items)) if n not in splits], gone, torn


def _listed(line: str, rows_by_tail: dict[str, list[int]]) -> list[int]:
    """Images that a line means: its first word, or all of it; as much of the path as fits."""
    for text in (line, line.split()[0]):
        path = text.replace("\\", "/").strip("/")
        stem, dot, ending = path.rpartition(".")
        parts = (stem if dot and f".{ending.lower()}" in ALL_EXTENSIONS else path).split("/")
        for k in range(len(parts)):
            if hits := rows_by_tail.get("/".join(parts[k:])):
                return hits
    return []
