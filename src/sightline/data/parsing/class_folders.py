"""Class folders: which folders are classes, which are splits, and which are neither."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_below, foreign, walk
from sightline.data.parsing.map_discovery import IMAGES, MASKS
from sightline.data.parsing.splits import SPLIT_WORDS, name_of, split_of
from sightline.errors import DataError

LAYOUT = (
    "Expected one folder per class (photos/cat/1.jpg, photos/dog/2.jpg), with or without train, val and "
    "test folders above them (photos/train/cat/1.jpg), or a table with the columns path and label."
)
_FILLERS = (
    "set", "data", "dataset", "split", "part", "images", "image", "imgs", "img", "pictures", "photos", "obj",
    "seg", "folder", "files", "all", "new", "raw", "jpg", "jpeg", "png", "tif", "tiff",
)  # fmt: skip
"""What stands beside the word of a split in the name of its folder: training_set, obj_Train_data."""
_SEVERAL = (*(word for word in (*IMAGES, *MASKS) if word.endswith("s")), "gt", "annot", "groundtruth")
ROLES = frozenset({*IMAGES, *_SEVERAL, "ann", "anns", "jpegimages", "imagesets", "labeltxt", "bboxes",
                   "data", "dataset", "datasets", "photos"})  # fmt: skip
"""Names of folders that say what kind of file lies there, never what an image shows."""
_NUMBERED = re.compile(
    r"(^|[ _.-])((image|img|picture|photo|mask|label)s?([ _-]?part)?|chunk|shard)[ _-]?\d+$"
)
_OF_MAPS = frozenset({*MASKS, "anno", "annos", "ann"})
_WRAPPERS = ROLES | {*_FILLERS}


@dataclass
class Layout:
    """Roles of the folders below a root.

    Attributes:
        tops: Split ("" where there are none) and folder of each place that holds class folders.
        aside: Folders that lie beside the splits, or that hold annotations, and are not read.
        flat: Folders of a split whose images lie in no class folder, and are not read.
        named_as_split: Names of classes that are named like a split.
        inner: Whether each class folder holds folders of splits.
        messages: How it was read, where that is not plain.
    """

    tops: list[tuple[str, Path]]
    aside: list[Path] = field(default_factory=list)
    flat: list[Path] = field(default_factory=list)
    named_as_split: list[str] = field(default_factory=list)
    inner: bool = False
    messages: list[str] = field(default_factory=list)


def as_split(name: str) -> str:
    """The split that a folder is named after ("training_set", "obj_Train_data", "test1"), or ""."""
    words = re.findall(r"[a-z]+", name.lower())
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    plain = all(word in SPLIT_WORDS or word in _FILLERS for word in words)
    return splits.pop() if plain and len(splits) == 1 else ""


def folders(root: Path) -> list[Path]:
    """Folders that may be classes or splits, sorted; neither hidden nor links."""
    with os.scandir(root) as entries:
        places = [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and not foreign(e.name)]
    return sorted(places)


def has_image(folder: Path) -> bool:
    """Whether a file that is named like an image lies in a folder, at any depth."""
    return any(any(map(_names_image, files)) for _, _, files in walk(folder))


def is_mask(image: Path, top: Path) -> bool:
    """Whether an image below a class folder is a mask: in a folder of masks, or a_mask.png beside a.png."""
    inside = (name.lower() for name in image.parent.relative_to(top).parts)
    if any(name in MASKS and name not in IMAGES for name in inside):
        return True
    stem = re.sub(r"[ _-](mask|masks|seg|segmentation)([ _-]?\d+)?$", "", image.stem, flags=re.IGNORECASE)
    return stem != image.stem and any((image.parent / f"{stem}{e}").exists() for e in ALL_EXTENSIONS)


def layout(root: Path) -> Layout:
    """Distinguish class folders from split folders and other content.

    Folders that hold nothing but one folder, or that stand above the folders of the splits, are read through.
    Where folders named after splits hold folders, these are the classes, and what lies beside is left aside.

    Raises:
        DataError: If folders of splits hold no class folders, two are of one split, or a folder of images,
            masks or annotations would be a class.
    """
    top, aside = _through(root)
    notes = [] if top == root else [f"Classes are the folders in '{name_of(top, root)}'."]
    named = {f: as_split(f.name) for f in folders(top) if as_split(f.name)} or _alike(top)
    splits = {f: split for f, split in named.items() if folders(f)}
    if splits and any(map(has_image, splits)):
        result = _with_splits(top, named, splits, notes)
    else:
        result = _without_splits(top, named, notes)
    classes = [c for _, place in result.tops for c in folders(place)]
    wrong = sorted({c.name for c in classes if _role(c.name) and has_image(c)}) or _both(classes)
    if wrong:
        single, low = len(wrong) == 1, {name.lower() for name in wrong}
        paired = " If they are images and masks, give each mask the name of its image (a.jpg and a.png)."
        paired = paired if low & set(IMAGES) and low & set(MASKS) else ""
        raise DataError(
            f"{root}: {', '.join(map(repr, wrong))} would become {'a class' if single else 'classes'}, but "
            f"such names say what kind of files lie there, not what they show.{paired}"
        )
    result.aside += aside + [c for c in classes if _role(c.name)]
    return result


def _role(name: str) -> bool:
    """Whether a folder's name says what kind of files lie there: "images", "image_2", "images_part_1"."""
    return name.lower() in ROLES or bool(_NUMBERED.search(name.lower()))


def _both(classes: Sequence[Path]) -> list[str]:
    """Folders of images and of maps by a word in their names, where both are there (x-img, x-mask-anno)."""
    words = {c.name: {*re.findall(r"[a-z]+", c.name.lower())} for c in classes if has_image(c)}
    images = [n for n, w in words.items() if w & {*IMAGES} and not w & _OF_MAPS]
    maps = [n for n, w in words.items() if w & _OF_MAPS and not w & {*IMAGES}]
    return sorted({*images, *maps}) if images and maps else []


def _alike(top: Path) -> dict[Path, str]:
    """Folders whose names differ in nothing but the split that they speak of (WIDER_train, WIDER_val)."""
    words = {f: split_of(f.name) for f in folders(top) if has_image(f)}
    pattern = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
    rests = {re.sub(pattern, "", f.name.lower(), count=1) for f in words}
    apart = len({*words.values()}) == len(words) > 1 and all(words.values())
    return words if apart and len(rests) == 1 else {}


def _with_splits(top: Path, named: dict[Path, str], splits: dict[Path, str], notes: list[str]) -> Layout:
    """Folders of splits that hold class folders."""
    twice = [f.name for f in splits if list(splits.values()).count(splits[f]) > 1]
    if twice:
        raise DataError(
            f"{top}: the folders {', '.join(twice)} name one split twice. "
            "Keep one folder for each of train, val and test."
        )
    classless = [f for f in splits if splits[f] != "train" and _holds_roles_only(f)]
    if len(classless) < len(splits):  # val/images beside train/cat/images, as in Tiny ImageNet
        splits = {f: split for f, split in splits.items() if f not in classless}
    flat = [f for f in named if f not in splits and has_image(f)]
    train = [f.name for f in flat if named[f] == "train"]
    if train:
        raise DataError(
            f"{top}: the images in {train[0]} lie in no class folder, while those in "
            f"{next(iter(splits)).name} do."
        )
    result = Layout([(split, _inside(f, notes)) for f, split in splits.items()], flat=flat, messages=notes)
    result.aside = [f for f in folders(top) if f not in named]
    return result


def _holds_roles_only(folder: Path) -> bool:
    """Whether the images of a split lie flat in folders that are named for the kind of files in them."""
    held = [c for c in folders(folder) if has_image(c)]
    return bool(held) and all(c.name.lower() in ROLES and _flat(c) for c in held)


def _without_splits(top: Path, named: dict[Path, str], notes: list[str]) -> Layout:
    """Class folders; none of them may be the folder of a split."""
    flat = [f for f in named if has_image(f)]
    others = [f for f in folders(top) if f not in named and has_image(f)]
    if len({named[f] for f in flat}) > 1 or (flat and not others):
        raise DataError(
            f"{top}: the images in {' and '.join(f.name for f in flat)} lie in no class folder, so nothing "
            "says what they show."
        )
    several = [f.name for f in others if any(as_split(c.name) and _only_folders(c) for c in folders(f))]
    if several:
        raise DataError(f"{top}: {' and '.join(several)} hold splits of their own. Name one of them.")
    inner = [folders(f) for f in others]
    parted = bool(inner) and not flat and all(fs and all(as_split(f.name) for f in fs) for fs in inner)
    if parted:
        notes.append("Splits are the folders in each class folder.")
    return Layout([("", top)], named_as_split=[f.name for f in flat], inner=parted, messages=notes)


def _through(root: Path) -> tuple[Path, list[Path]]:
    """Skip folders that only wrap the content; also returns what lies beside them."""
    top, aside = root, list[Path]()
    while True:
        some = folders(top)
        held = [f for f in some if has_image(f)]
        splits = [f for f in held if any(as_split(c.name) and _only_folders(c) for c in folders(f))]
        if any(as_split(f.name) for f in held):
            break
        if len(held) == 1 and not _flat(top) and _only_folders(held[0]):
            wrapper = held[0] if len(some) == 1 or held[0].name.lower() in _WRAPPERS or splits else None
        else:
            wrapper = splits[0] if len(splits) == 1 else None
        if wrapper is None:
            break
        aside += [f for f in some if f != wrapper]
        top = wrapper
    return top, aside


def _inside(folder: Path, notes: list[str]) -> Path:
    """The folder of a split, or the one in it that only wraps the classes: training_set/training_set."""
    top = folder
    while True:
        some = folders(top)
        if len(some) != 1 or not _only_folders(some[0]):
            break
        name = some[0].name
        if name.lower() != folder.name.lower() and not as_split(name) and name.lower() not in _WRAPPERS:
            break
        top = some[0]
    if top != folder:
        notes.append(f"Classes of '{folder.name}' are the folders in '{name_of(top, folder.parent)}'.")
    return top


def _only_folders(folder: Path) -> bool:
    """Whether a folder has images in its folders, and none beside them."""
    return not _flat(folder) and any(map(has_image, folders(folder)))


def _flat(folder: Path) -> bool:
    """Whether images lie in a folder itself."""
    with os.scandir(folder) as entries:
        return any(_names_image(e.name) for e in entries)


def _names_image(name: str) -> bool:
    return not foreign(name) and Path(name).suffix.lower() in ALL_EXTENSIONS


def images_of(places: Sequence[Path]) -> list[Path]:
    """Images in some folders, at any depth, sorted."""
    return [path for place in places for path in files_below(place) if _names_image(path.name)]
