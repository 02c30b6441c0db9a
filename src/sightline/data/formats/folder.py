"""A folder per class, with or without train, val and test folders above."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.label import Label
from sightline.data._magic import ALL_EXTENSIONS
from sightline.data.formats._content import content
from sightline.data.formats._findings import unseen
from sightline.data.formats._options import ReadOptions
from sightline.data.pixels import Files
from sightline.errors import DataError

CARD = FormatCard(
    name="folder",
    summary="a folder of pictures per class, with or without train, val and test folders",
    looks_like="photos/cat/1.jpg and photos/dog/2.jpg, or photos/train/cat/1.jpg",
    truths=("label",),
    writes=True,
)
LAYOUT = (
    "Expected one folder per class (photos/cat/1.jpg, photos/dog/2.jpg), with or without train, val and "
    "test folders above them (photos/train/cat/1.jpg), or a table with the columns path and label."
)
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_JUNK = ("thumbs.db", "desktop.ini", "__macosx")


@dataclass
class _Found:
    """What lies below a root: pictures (file, split, class), and what was left aside."""

    pictures: list[tuple[Path, str, str]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    others: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    hidden: int = 0


def sniff(source: str, options: ReadOptions) -> float:
    """Sure when pictures lie in folders; a little when they lie flat, so that `read` can say what to do."""
    del options
    root = Path(source)
    if not root.is_dir():
        return 0.0
    folders = [f for f in _folders(root)]
    splits = _split_folders(folders)
    if splits:
        folders = [c for f in splits.values() for c in _folders(f)]
    if any(_has_picture(f) for f in folders[:100]):
        return 0.9 if splits or not all(f.name.lower() in _SPLITS for f in folders) else 0.2
    return 0.1 if _has_picture(root) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All pictures of a folder of classes.

    Class ids follow the sorted names. Hidden files are counted, other files and links that leave the
    folder are listed in `problems`; nothing is followed out of the folder.

    Raises:
        DataError: If there is no such folder, or no picture in a class folder.
    """
    del options
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"There is no folder '{root}'. {LAYOUT}")
    found = _walk(root)
    if not found.pictures:
        raise DataError(_nothing(root, found))
    names = tuple(sorted(found.classes))
    index = {name: i for i, name in enumerate(names)}
    found.pictures.sort(key=lambda row: os.fsencode(row[0]))
    splits = np.array([split for _, split, _ in found.pictures], dtype=object)
    values = np.array([index[name] for _, _, name in found.pictures], dtype=np.int64)
    return Dataset(
        name=root.resolve().name,
        format="folder",
        ids=[_id(path, root) for path, _, _ in found.pictures],
        pixels=Files([path for path, _, _ in found.pictures]),
        targets=Label(torch.from_numpy(values)),
        classes=Classes(names),
        splits=splits,
        root=root,
        problems=tuple(_problems(found, names, values, splits, root)),
        notes=(f"{found.hidden} hidden files were skipped (.*, Thumbs.db).",) if found.hidden else (),
    )


def write(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a folder per class; files are copied as they are, arrays become PNG.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the truth is not one class an image.
    """
    if dataset.classes is None or getattr(dataset.targets, "multi", True):
        raise DataError("A folder per class holds one label an image. Write a table instead.")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    given = [s for s in dataset.splits if s]
    if given and len(given) < len(dataset):
        raise DataError(
            f"{len(dataset) - len(given)} items have no split, others have. Give each one or none."
        )
    for split in sorted(set(dataset.splits)):
        for name in dataset.classes.names:
            (folder / split / name).mkdir(parents=True, exist_ok=True)
    values = dataset.targets.value.tolist()
    for i, item in enumerate(dataset.ids):
        data, ending = content(dataset.pixels, i)
        place = folder / dataset.splits[i] / dataset.classes.names[values[i]] / f"{i:06d}{ending}"
        path = folder / item if dataset.format == CARD.name else place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _folders(root: Path) -> list[Path]:
    """Folders that may be classes or splits, sorted; neither hidden nor links."""
    with os.scandir(root) as entries:
        found = [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and not _hidden(e.name)]
    return sorted(found)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK


def _has_picture(folder: Path) -> bool:
    """Whether a file that is named like a picture lies in a folder, at any depth."""
    for _, _, files in os.walk(folder):
        if any(Path(f).suffix.lower() in ALL_EXTENSIONS and not _hidden(f) for f in files):
            return True
    return False


def _split_folders(folders: list[Path]) -> dict[str, Path]:
    """Split of each folder, where all are named after splits and hold class folders."""
    named = {f: _SPLITS.get(f.name.lower(), "") for f in folders}
    if not named or not all(named.values()) or not any(_folders(f) for f in folders):
        return {}
    if len(set(named.values())) < len(named):
        raise DataError(
            f"{folders[0].parent}: the folders {', '.join(f.name for f in folders)} name one split twice. "
            "Keep one folder for each of train, val and test."
        )
    return {split: f for f, split in named.items()}


def _walk(root: Path) -> _Found:
    """Everything below the root."""
    found, real = _Found(), root.resolve()
    splits = _split_folders(_folders(root)) or {"": root}
    for split, top in splits.items():
        for folder in _folders(top):
            found.classes.add(folder.name)
            for path in _files(folder, real, found):
                found.pictures.append((path, split, folder.name))
        _beside(top, real, found)
    if "" not in splits:
        _beside(root, real, found)
    return found


def _beside(top: Path, real: Path, found: _Found) -> None:
    """Take note of what lies beside the class folders."""
    for entry in sorted(top.iterdir()):
        if _hidden(entry.name):
            found.hidden += 1
        elif entry.is_symlink():
            found.links.append(entry)
        elif not entry.is_dir():
            found.others.append(entry)


def _files(folder: Path, real: Path, found: _Found) -> Iterator[Path]:
    """Pictures below a class folder; the rest is put into `found`."""
    for top, folders, files in os.walk(folder):
        hidden = [f for f in folders if _hidden(f)]
        found.hidden += len(hidden)
        found.links += [Path(top, f) for f in folders if Path(top, f).is_symlink()]
        folders[:] = sorted(f for f in folders if f not in hidden)
        for name in sorted(files):
            path = Path(top, name)
            if _hidden(name):
                found.hidden += 1
            elif path.is_symlink() and not path.resolve().is_relative_to(real):
                found.links.append(path)
            elif path.suffix.lower() in ALL_EXTENSIONS and path.is_file():
                yield path
            else:
                found.others.append(path)


def _id(path: Path, root: Path) -> str:
    """Path below the root as text, also where the name is not UTF-8."""
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _problems(
    found: _Found, names: tuple[str, ...], values: np.ndarray, splits: np.ndarray, root: Path
) -> Iterator[Finding]:
    """What looks wrong."""
    empty = [names[i] for i in range(len(names)) if not (values == i).any()]
    if empty:
        yield Finding(
            "class-without-images",
            "error",
            f"{len(empty)} class folders hold no picture: {', '.join(empty)}.",
            "Put pictures there, or remove the folders. The classes stay in the class table.",
            len(empty),
            tuple(empty),
        )
    yield from unseen(names, values, splits)
    if found.others:
        items = tuple(_id(p, root) for p in found.others)
        yield Finding(
            "not-pictures",
            "warning" if any("/" in i for i in items) else "info",
            f"{len(items)} files are not named like pictures that are read, and were left aside.",
            "Convert them to jpeg, png, webp, bmp, tiff, gif or ppm, or ignore this.",
            len(items),
            items,
        )
    if found.links:
        yield Finding(
            "links-not-followed",
            "warning",
            f"{len(found.links)} links lead out of the folder or to folders, and were not followed.",
            "Copy the files into the folder, or open the folder they lie in.",
            len(found.links),
            tuple(_id(p, root) for p in found.links),
        )


def _nothing(root: Path, found: _Found) -> str:
    """Why no picture was found, and what to do."""
    flat = [p for p in found.others if p.suffix.lower() in ALL_EXTENSIONS]
    if flat:
        return (
            f"{root}: {len(flat)} pictures lie flat in the folder ({flat[0].name}, ...), "
            f"so nothing says what they show. {LAYOUT}"
        )
    if not found.classes and not found.others:
        return f"{root}: the folder is empty. {LAYOUT}"
    return (
        f"{root}: no picture in it ({len(found.classes)} folders, {len(found.others)} other files). {LAYOUT}"
    )
