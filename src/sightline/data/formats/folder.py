"""Image folder: a folder for each class, with or without train, val and test folders above."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.label import ClassLabels
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.pixels import Files
from sightline.data.io.walk import describe_skipped as left_out
from sightline.data.io.walk import foreign, walk
from sightline.data.parsing.class_folders import (
    LAYOUT,
    ROLES,
    Layout,
    as_split,
    folders,
    has_image,
    images_of,
    is_mask,
    layout,
)
from sightline.data.parsing.content import content
from sightline.data.parsing.findings import listed, unseen
from sightline.data.parsing.map_discovery import pairs_of
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.tables_beside import compared
from sightline.data.parsing.unread import FORM, Unread, describe_unread, unread
from sightline.errors import DataError

CARD = FormatCard(
    name="folder",
    summary="image folder: a folder of images per class, with or without train, val and test folders",
    recognized_by="photos/cat/1.jpg and photos/dog/2.jpg, or photos/train/cat/1.jpg",
    target_types=("label",),
    writes=True,
)
_GLANCE = 100
_MAX_LISTED = 8
"""Class folders among which some may hold maps of the images of others."""


@dataclass
class _Listing:
    """Content of a root folder: images (file, split, class), and ignored files."""

    layout: Layout
    images: list[tuple[Path, str, str]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    others: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High if images lie in folders; low if they lie flat, so that `read` can say what to do."""
    del options
    root = Path(source)
    if not root.is_dir():
        return 0.0
    if any(has_image(f) for f in folders(root)[:_GLANCE]):
        return 0.9
    return 0.1 if has_image(root) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images of class folders; `layout` decides what is a class and what is a split.

    Class ids follow the sorted names. Hidden files are counted, other files and links that leave the
    folder are listed in `read_findings`; nothing is followed out of the folder.

    Raises:
        DataError: If there is no such folder, no image in a class folder, or one that cannot be a class.
    """
    del options
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"There is no folder '{root}'. {LAYOUT}")
    contents = _walk(root, _layout(root))
    if not contents.images:
        raise DataError(_nothing(root, contents))
    names = tuple(sorted(contents.classes))
    index = {name: i for i, name in enumerate(names)}
    contents.images.sort(key=lambda row: os.fsencode(row[0]))
    splits = np.array([split for _, split, _ in contents.images], dtype=object)
    values = np.array([index[name] for _, _, name in contents.images], dtype=np.int64)
    skipped = [left_out(contents.hidden)] if contents.hidden else []
    return Dataset(
        name=root.resolve().name,
        format="folder",
        ids=[_id(path, root) for path, _, _ in contents.images],
        pixels=Files([path for path, _, _ in contents.images]),
        targets=ClassLabels(torch.from_numpy(values)),
        classes=Classes(names),
        splits=splits,
        root=root,
        read_findings=tuple(_problems(contents, names, values, splits, root)),
        messages=(*contents.layout.messages, *skipped),
    )


def write(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a folder per class; files are copied as they are, arrays become PNG.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the target is not one class an image.
    """
    if dataset.classes is None or getattr(dataset.targets, "multilabel", True):
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
    values = dataset.targets_as(ClassLabels).value.tolist()
    for i, item in enumerate(dataset.ids):
        data, ending = content(dataset.pixels, i)
        place = folder / dataset.splits[i] / dataset.classes.names[values[i]] / f"{i:06d}{ending}"
        path = folder / item if dataset.format == CARD.name else place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _layout(root: Path) -> Layout:
    """`layout`, with the content of the folder in its error."""
    try:
        return layout(root)
    except DataError as error:
        raise DataError(f"{error} {describe_unread(unread(root), root) or LAYOUT}") from error


def _walk(root: Path, lies: Layout) -> _Listing:
    """Everything below the root."""
    contents, real = _Listing(lies), root.resolve()
    for split, top in lies.tops:
        for folder in folders(top):
            if folder in lies.aside:
                continue
            contents.classes.add(folder.name)
            for path in _files(folder, real, contents):
                inner = as_split(path.relative_to(folder).parts[0]) if lies.inner else ""
                contents.images.append((path, split or inner, folder.name))
    places = {p for _, place in lies.tops for p in (place, *place.parents) if p == root or root in p.parents}
    for place in sorted(places):
        _note_left_aside(place, real, contents)
    return contents


def _note_left_aside(top: Path, real: Path, contents: _Listing) -> None:
    """Record what lies beside the class folders."""
    for entry in sorted(top.iterdir()):
        if foreign(entry.name):
            contents.hidden.append(entry)
        elif entry.is_symlink():
            contents.links.append(entry)
        elif not entry.is_dir():
            contents.others.append(entry)


def _files(folder: Path, real: Path, contents: _Listing) -> Iterator[Path]:
    """Images below a class folder; the rest is put into `contents`."""
    for top, inner, files in walk(folder, contents.hidden):
        contents.links += [top / f for f in inner if (top / f).is_symlink()]
        for path in (top / name for name in files):
            if path.is_symlink() and not path.resolve().is_relative_to(real):
                contents.links.append(path)
            elif path.suffix.lower() in ALL_EXTENSIONS and path.is_file():
                if is_mask(path, folder):
                    contents.masks.append(path)
                else:
                    yield path
            else:
                contents.others.append(path)


def _id(path: Path, root: Path) -> str:
    """Path below the root as text, also where the name is not UTF-8."""
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _problems(
    contents: _Listing, names: tuple[str, ...], values: np.ndarray, splits: np.ndarray, root: Path
) -> Iterator[Finding]:
    """Findings about the folders."""
    empty = [names[i] for i in range(len(names)) if not (values == i).any()]
    if empty:
        yield Finding(
            "class-without-images",
            "error",
            f"{len(empty)} class folders hold no image: {', '.join(empty)}.",
            "Put images there, or remove the folders. The classes stay in the class table.",
            len(empty),
            tuple(empty),
        )
    yield from unseen(names, values, splits)
    yield from _asides(contents, root)
    if contents.links:
        yield Finding(
            "links-not-followed",
            "warning",
            f"{len(contents.links)} links lead out of the folder or to folders, and were not followed.",
            "Copy the files into the folder, or open the folder they lie in.",
            len(contents.links),
            tuple(_id(p, root) for p in contents.links),
        )


def _asides(contents: _Listing, root: Path) -> Iterator[Finding]:
    """Findings about folders and files that were not read."""
    lies = contents.layout
    what = "class folders are named like a split, and were read as classes"
    fix = "Move them out of the folder of the classes, or put class folders into them and the others."
    yield from listed("class-named-as-split", "error", lies.named_as_split, what, fix)
    tops = [folders(place) for _, place in lies.tops]
    maps = [_id(m, root) for some in tops if len(some) <= _MAX_LISTED for _, m in pairs_of(some)]
    what = "class folders hold maps of the images of another, by their names and what is in them"
    fix = "Say --task semantic if they are images and their class maps; accept it if they are classes."
    yield from listed("maps-as-class", "error", maps, what, fix)
    deep = [_id(c, root) for some in tops for c in some if _several_within(c)]
    what = "class folders hold images in further folders only, and these are not told apart"
    fix = (
        "Nothing, if the upper folders are the classes; else name a folder that holds the classes itself. "
        "If each inner folder holds the frames of a clip: --task action."
    )
    inner = {tuple(f.name for f in folders(root / c)) for c in deep}
    severity: Severity = "error" if len(deep) > 1 == len(inner) else "warning"
    yield from listed("classes-within-classes", severity, deep, what, fix)
    held = [_id(p, root) for p in lies.aside if has_image(p)]
    what = "folders with images lie beside those that were read, and were left aside"
    fix = "Nothing, if they are no part of the data; else put them below train, val or test."
    yield from listed("folders-left-aside", "warning", held, what, fix)
    unlabeled = [_id(p, root) for p in images_of(lies.flat)]
    what = "images of a split lie in no class folder, so nothing says what they show: left aside"
    fix = "Put them into class folders, or predict on them later: `sightline predict`."
    yield from listed("images-unlabeled", "warning", unlabeled, what, fix)
    masks = [_id(p, root) for p in contents.masks]
    what = "images in class folders are masks of others by their names, and were left aside"
    fix = "Take them out of the class folders, or accept this."
    yield from listed("masks-in-class", "error", masks, what, fix)
    unread_ids = yield from _annotations(contents, root)
    others = [item for p in contents.others if (item := _id(p, root)) not in unread_ids]
    what = "files are not named like images that are read, and were left aside"
    fix = "Convert them to jpeg, png, webp, bmp, tiff, gif or ppm, or ignore this."
    severity = "warning" if any("/" in i for i in others) else "info"
    yield from listed("other-files", severity, others, what, fix)


def _annotations(contents: _Listing, root: Path) -> Generator[Finding, None, set[str]]:
    """Findings about files that look like annotations and were not read; also their names."""
    kinds = unread(root)
    forms = [_id(p, root) for kind in kinds if kind.what == FORM for p in kind.files]
    what = "tables are forms for answers by their names, hold no target, and were left aside"
    yield from listed("forms-left-aside", "info", forms, what, "Nothing to do.")
    same, apart = [], []
    for kind in kinds:
        for path in kind.files if kind.format == "table" else ():
            agrees, differs = compared(path, root, contents.images)
            same += [path] if agrees else []
            apart += [differs] if differs else []
    what = "tables say of their images what the folders say, and were left aside"
    yield from listed("tables-agree", "info", [_id(p, root) for p in same], what, "Nothing to do.")
    rest = [Unread(k.what, k.format, [p for p in k.files if p not in same]) for k in kinds if k.what != FORM]
    rest = [kind for kind in rest if kind.files]
    unread_ids = [_id(p, root) for kind in rest for p in kind.files]
    what = "files look like annotations and were not read"
    differ = f"{apart[0]}. " if apart else ""
    fix = (
        f"{differ}{describe_unread(rest, root)} To go on with the folders alone: --accept "
        "annotations-not-read."
    )
    yield from listed("annotations-not-read", "error", unread_ids, what, fix)
    return {*unread_ids, *forms, *(_id(p, root) for p in same)}


def _several_within(folder: Path) -> bool:
    """Whether all images of a class folder lie in folders within it, two or more."""
    inner = [f for f in folders(folder) if f.name.lower() not in ROLES and not as_split(f.name)]
    plain = any(p.suffix.lower() in ALL_EXTENSIONS for p in folder.iterdir())
    return not plain and sum(map(has_image, inner)) > 1


def _nothing(root: Path, contents: _Listing) -> str:
    """Error text if no image was found, with the way out."""
    way = describe_unread(unread(root), root) or LAYOUT
    flat = [p for p in contents.others if p.suffix.lower() in ALL_EXTENSIONS]
    if flat:
        return (
            f"{root}: {len(flat)} images lie flat in the folder ({flat[0].name}, ...), "
            f"so nothing says what they show. {way}"
        )
    if not contents.classes and not contents.others:
        return f"{root}: the folder is empty. {LAYOUT}"
    folders, others = len(contents.classes), len(contents.others)
    return f"{root}: no image in it ({folders} folders, {others} other files). {way}"
