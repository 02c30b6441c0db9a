"""Darknet's layout of YOLO data: obj.data with lists of images, or label files beside images.

Source: J. Redmon's Darknet, whose obj.data names `train`, `valid`, `names`; CVAT exports it as "YOLO 1.1"
(obj_train_data/, train.txt), LabelImg and others write label files beside images, and classes.txt.
"""

from __future__ import annotations

from pathlib import Path

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_in
from sightline.data.parsing.each import some
from sightline.data.parsing.splits import SPLIT_WORDS, is_there, name_of, split_folders
from sightline.data.parsing.yolo_discovery import LINE, LISTS, Config, label_files, plain_parts

_KEYS = ("train", "valid", "val", "test")
_LOOKS = 20


def old_config(root: Path) -> Config | None:
    """Class names and locations of data in Darknet's layout; None for others."""
    if not root.exists():
        return None
    return _darknet(root) or (_classes_beside(root) if root.is_dir() else None)


def _darknet(root: Path) -> Config | None:
    """Class names, and the lists of images of each split, that obj.data names."""
    files = files_in(root, ".data") if root.is_dir() else [root] * (root.suffix.lower() == ".data")
    words_by_file = {path: _key_values(path) for path in files if path.is_file()}
    path = next((p for p, words in words_by_file.items() if "names" in words), None)
    if path is None:
        return None
    words, folder = words_by_file[path], path.parent
    config = Config(folder)
    for key in _KEYS:
        place = _place(folder, words.get(key, ""))
        if place is not None:
            config.parts.setdefault(SPLIT_WORDS[key], []).append(name_of(place, folder))
    # A list that obj.data does not name, as CVAT leaves that of a test part, lies beside it.
    listed = {Path(p).name for parts in config.parts.values() for p in parts}
    for file in files_in(folder, ".txt"):
        split = SPLIT_WORDS.get(file.stem.lower())
        if split and file.name not in listed:
            config.parts.setdefault(split, []).append(file.name)
    _names(config, [_place(folder, words.get("names", "")), *(folder / name for name in LISTS)])
    return config


def _classes_beside(root: Path) -> Config | None:
    """Class names and splits of a folder whose label files lie beside the images."""
    if any(label_files(folder) for folder, _ in plain_parts(root)) or not _labels_beside(root):
        return None
    config = Config(root)
    parts = []
    for folder, split in split_folders(root):
        if _labels_beside(folder):
            parts.append(folder)
            config.parts.setdefault(split, []).append(folder.name)
    listed = (*LISTS, "_darknet.labels")  # the last as Roboflow writes it
    _names(config, [folder / name for folder in (root, root / "images", *parts) for name in listed])
    config.messages.append("Label files lie beside their images.")
    return config


def _labels_beside(root: Path) -> bool:
    """Whether one of the first label files below a folder lies beside its image."""
    for path in some(root, ".txt"):
        if path.name in LISTS or path.parent.name.lower() == "labels":
            continue
        if not any(is_there(path.with_suffix(ending)) for ending in ALL_EXTENSIONS):
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(LINE.fullmatch(line) for line in lines[:_LOOKS]):
            return True
    return False


def _key_values(path: Path) -> dict[str, str]:
    """The lines "key = value" of a file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, value in pairs}


def _place(folder: Path, text: str) -> Path | None:
    """A file that obj.data names; its paths start elsewhere, so that only their end may be there."""
    words = text.replace("\\", "/").split("/")
    return next((p for k in range(len(words)) if is_there(p := folder / "/".join(words[k:]))), None)


def _names(config: Config, places: list[Path | None]) -> None:
    """Take the class names of the first list that is there."""
    path = next((p for p in places if p is not None and is_there(p)), None)
    if path is not None:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").strip("\r\n").splitlines()
        config.names = dict(enumerate(line.strip() for line in lines))
        config.messages.append(f"Class names are from {path.name}.")
