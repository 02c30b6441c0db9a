"""Locations of the parts of a Pascal VOC data set: annotations, images, lists of splits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sightline.core.dataset import SPLITS
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_in
from sightline.data.parsing.each import some
from sightline.data.parsing.json import glance
from sightline.data.parsing.splits import folders_in, split_folders

_ANNOTATIONS = ("annotations", "annotation", "labels", "xml", "xmls", "ann")
_IMAGES = ("jpegimages", "images", "image", "imgs", "img", "pictures", "data")
_MAX_LISTED = 50
_LISTS = ("ImageSets/Main", "ImageSets", "")


def places(root: Path) -> list[tuple[Path, Path, str]]:
    """(folder of XML files, folder of images, split) of all parts of a data set."""
    whole = _place(root)
    if whole is not None:
        return [(*whole, "")]
    candidates = [(_place(folder), split) for folder, split in split_folders(root)]
    return [(*place, split) for place, split in candidates if place is not None]


def unwrapped(root: Path) -> Path:
    """The folder itself, or the only one in it, or the only one called VOC (VOCdevkit/VOC2012)."""
    for _ in range(2):
        if not root.is_dir() or places(root):
            break
        inner = folders_in(root)[:_MAX_LISTED]
        named = [f for f in inner if f.name.upper().startswith("VOC")]
        deeper = named or inner
        if len(deeper) != 1:  # several data sets, or folders of something else
            break
        root = deeper[0]
    return root


def _place(root: Path) -> tuple[Path, Path] | None:
    """Folder of XML files and folder of images of one part; None where there is no annotation."""
    images = sorted(folders_in(root, _IMAGES), key=lambda f: _IMAGES.index(f.name.lower()))
    for folder in sorted(folders_in(root, _ANNOTATIONS), key=lambda f: _ANNOTATIONS.index(f.name.lower())):
        if any(map(_like, some(folder, ".xml"))):
            inner = bool(files_in(folder, *ALL_EXTENSIONS))
            return folder, images[0] if images else folder if inner else root
    if any(map(_like, files_in(root, ".xml")[:5])):
        return root, images[0] if images else root
    for folder in images:
        if any(map(_like, some(folder, ".xml"))):
            return folder, folder
    return None


def _like(path: Path) -> bool:
    """Whether an XML file looks like VOC's."""
    text = glance(path).lower()
    return "<annotation>" in text or "<annotation " in text


def lists(root: Path, image_names: Iterable[str]) -> dict[str, list[str]]:
    """Splits of each image that a list names, by name without ending; empty without lists.

    Args:
        root: Folder of the data set; lists lie in ImageSets/Main, ImageSets or itself.
        image_names: Names, without ending, of images and annotations; what a list names otherwise is matched
            these by the end of its path.
    """
    known_names = set(image_names)
    tails: dict[str, list[str]] = {}
    for name in known_names:
        tails.setdefault(PurePosixPath(name).name, []).append(name)
    by_split: dict[str, list[str]] = {}
    for place in _LISTS:
        for split in (*SPLITS, "trainval"):
            path = root / place / f"{split}.txt"
            if path.is_file():
                lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
                by_split[split] = [
                    _image_name(line.strip(), known_names, tails) for line in lines if line.strip()
                ]
        if any(name in known_names for names in by_split.values() for name in names) or (
            place == _LISTS[0] and by_split
        ):
            break
        by_split = {}
    if "train" not in by_split and "trainval" in by_split:
        held = set(by_split.get("val", ()))
        by_split["train"] = [name for name in by_split["trainval"] if name not in held]
    splits: dict[str, list[str]] = {}
    for split in SPLITS:
        for name in by_split.get(split, ()):
            splits.setdefault(name, []).append(split)
    return splits


def _image_name(line: str, known_names: set[str], tails: dict[str, list[str]]) -> str:
    """The name of an image that a line of a list means, without ending."""
    name = line.replace("\\", "/")
    if name in known_names:
        return name
    path = PurePosixPath(name)
    bare = str(path.with_suffix("")) if path.suffix.lower() in (*ALL_EXTENSIONS, ".xml") else name
    if bare in known_names:
        return bare
    same = tails.get(PurePosixPath(bare).name, [])
    return same[0] if len(same) == 1 else bare


def paired(images: dict[str, Path], files: dict[str, Path]) -> dict[str, Path]:
    """XML files by the name of their image, where that lies in another folder than its annotation does.

    Args:
        images: Images by path below their folder, without ending.
        files: XML files likewise.
    """
    alone = [name for name in images if name not in files]
    tails: dict[str, list[str]] = {}
    for name in alone:
        tails.setdefault(PurePosixPath(name).name, []).append(name)
    by_name: dict[str, Path] = {}
    for name, path in files.items():
        same = [] if name in images else tails.get(PurePosixPath(name).name, [])
        key = same[0] if len(same) == 1 and same[0] not in by_name else name
        by_name[key] = path
    return by_name
