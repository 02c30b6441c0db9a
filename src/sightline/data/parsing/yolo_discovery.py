"""Locations of the parts of a YOLO data set: data.yaml, lists of images, folders of images and labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_below, files_in
from sightline.data.parsing.splits import (
    SPLIT_WORDS,
    in_any_case,
    is_folder,
    is_there,
    name_of,
    split_folders,
)
from sightline.errors import DataError

LISTS = ("classes.txt", "obj.names", "labels.names")
LINE = re.compile(r"\s*\d+(\.0*)?(\s+[-+.\deE]+){4,}\s*")
_MAX_BYTES = 1 << 24


@dataclass
class Config:
    """Content of data.yaml.

    Attributes:
        folder: Where its paths start.
        names: Name of each class id; empty where it has none.
        parts: Places of each split.
        messages: What was found out.
    """

    folder: Path
    names: dict[int, str] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


def configs(root: Path) -> list[Path]:
    """YAML files in a folder that describe a data set."""
    paths = files_in(root, ".yaml", ".yml")[:20]
    return [p for p in paths if config_of(p) is not None]


def config_of(path: Path) -> dict[str, Any] | None:
    """What a YAML file says, if it describes a data set: its classes, and where images are."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        # No tags are resolved: a class called "no" or "1" stays the text that it is.
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("names", data.get("nc")), list | dict | str):
        return None
    named = any(isinstance(data.get(k), str | list) for k in SPLIT_WORDS)
    beside = any(files_in(labels_folder(f), ".txt") for f, _ in plain_parts(path.parent))
    return data if named or beside else None


def configured(root: Path) -> Config:
    """Class names and splits of a data set.

    Raises:
        DataError: If there is none, or several could be meant.
    """
    if not root.exists():
        raise DataError(f"There is no file or folder '{root}'. Expected data.yaml, or images and labels.")
    files = configs(root) if root.is_dir() else [root]
    if len(files) > 1:
        files = [p for p in files if p.name in ("data.yaml", "dataset.yaml")] or files
    if len(files) > 1:
        names = ", ".join(p.name for p in files)
        raise DataError(f"{root}: several files describe the data: {names}. Name the one that is meant.")
    if files:
        return _parsed(files[0])
    config = Config(root)
    for name in LISTS:
        path = next((p for p in (root / name, root / "labels" / name) if p.is_file()), None)
        if path is not None:
            lines = path.read_text(encoding="utf-8", errors="replace").strip("\r\n").splitlines()
            config.names = dict(enumerate(line.strip() for line in lines))
            config.messages.append(f"Class names are from {name_of(path, root)}.")
            break
    return config


def _parsed(path: Path) -> Config:
    """data.yaml.

    Raises:
        DataError: If it says nothing of classes, or contradicts itself.
    """
    data = config_of(path)
    if data is None:
        raise DataError(f"{path}: does not describe a data set. Expected names, and train, val or test.")
    start = data.get("path")
    folder = path.parent / start if isinstance(start, str) and start else path.parent
    config = Config(
        folder if is_folder(folder) else path.parent, _names(path, data.get("names"), data.get("nc"))
    )
    for key, split in SPLIT_WORDS.items():
        value = data.get(key)
        places = value if isinstance(value, list) else [value] if value else []
        if places and split not in config.parts:
            config.parts[split] = [str(p) for p in places if isinstance(p, str)]
    return config


def _names(path: Path, names: Any, count: Any) -> dict[int, str]:
    """Class ids and names, as a list or a mapping has them; or as many as there are, called by id.

    Raises:
        DataError: If they are none of this, or fewer or more than are said to be.
    """
    count_given = int(count) if isinstance(count, str) and re.fullmatch(r"\d{1,5}", count) else None
    if names is None and count_given:
        names = [str(i) for i in range(count_given)]
    if isinstance(names, list):
        names = {str(i): name for i, name in enumerate(names)}
    if not isinstance(names, dict):
        raise DataError(f"{path}: names is neither a list nor a mapping from class id to name.")
    wrong = [k for k, v in names.items() if not re.fullmatch(r"\d{1,9}", k) or not isinstance(v, str)]
    if wrong:
        raise DataError(f"{path}: names must give each whole number a text. Mend the entry '{wrong[0]:.60}'.")
    table = {int(k): str(v) for k, v in names.items()}
    if len(table) < len(names):
        raise DataError(f"{path}: names gives a class id twice.")
    if count_given is not None and count_given not in (len(table), max(table, default=0) + 1):
        raise DataError(
            f"{path}: nc is {count_given}, but {len(table)} classes have names. Correct one of them."
        )
    return table


def plain_parts(root: Path) -> list[tuple[Path, str]]:
    """Folders of images with their splits, where no data.yaml names them."""
    tops = [(in_any_case(root / "images"), "")]
    tops += [(in_any_case(folder / "images"), split) for folder, split in split_folders(root)]
    parts = []
    for folder, split in tops:
        parts += split_folders(folder) or [(folder, split)]
    return [(f, split) for f, split in parts if f.is_dir()]


def label_files(images: Path) -> list[Path]:
    """Some label files of a folder of images, if they look like YOLO's."""
    some = [p for p in files_in(labels_folder(images), ".txt")[:20] if p.name not in LISTS]
    lines = [line for p in some for line in p.read_text(encoding="utf-8", errors="replace").splitlines()[:5]]
    return some if any(LINE.fullmatch(line) for line in lines) else []


@lru_cache(maxsize=4096)
def labels_folder(images: Path) -> Path:
    """The folder of labels that belongs to one of images: the last `images` in its path is `labels`.

    Both are found in any case (Images, Labels). Asked for each image, so it is kept until
    `cache_clear`.
    """
    parts = list(images.parts)
    for k in range(len(parts) - 1, -1, -1):
        if parts[k].lower() == "images":
            return in_any_case(Path(*parts[:k], "labels", *parts[k + 1 :]))
    return images


def label_file(image: Path) -> Path:
    """The label file of an image: in the folder of labels, else beside it."""
    path = labels_folder(image.parent) / f"{image.stem}.txt"
    return path if path.is_file() else image.with_suffix(".txt")


def place_of(folder: Path, root: Path, text: str) -> Path | None:
    """Folder that data.yaml names; a leading ../ that leads nowhere, as in exports, is removed."""
    text = text.replace("\\", "/")
    bare = re.sub(r"^(\.\./)+", "", text)
    top = root if root.is_dir() else root.parent
    places = [folder / text, top / text, folder / bare, top / bare]
    places += map(in_any_case, places[:])
    return next((p for p in places if is_there(p) or is_folder(p)), None)


def images_in(folder: Path) -> list[Path]:
    """Images below a folder, sorted; none that is foreign (.ipynb_checkpoints, __MACOSX)."""
    return [p for p in files_below(folder) if p.suffix.lower() in ALL_EXTENSIONS and p.is_file()]


def listed(path: Path, folder: Path) -> list[Path]:
    """Images that a text file lists, one a line, from where data.yaml's paths start or from the file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    return [next((b / n for b in (folder, path.parent) if is_there(b / n)), folder / n) for n in names]
