"""A JSON file in COCO's layout: its three lists, and the location of its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sightline.data.parsing.json import glance, read_json, sound
from sightline.data.parsing.splits import folders_in, is_there, split_of
from sightline.errors import DataError

KEYS = ("images", "annotations", "categories")
FOLDERS = ("annotations", "annotation", "labels")
"""Folders that hold such files, beside those of the images."""
CocoLists = tuple[list[Any], list[Any], list[Any], Path | None]
"""Images, annotations and categories of a file, and the image folder that it names."""
_SAMPLE, _MOST = 20, 200


def image_name(entry: dict[str, Any]) -> str:
    """The file of an image: as named, or (LVIS) the path of its address; "" where it has none."""
    name, address = entry.get("file_name"), entry.get("coco_url")
    if isinstance(name, str) and name:
        return name.replace("\\", "/")
    try:
        return urlsplit(address).path.lstrip("/") if isinstance(address, str) else ""
    except ValueError:  # no address
        return ""


def lists(
    path: Path, lean: Callable[[dict[str, Any]], None] | None = None, results: list[Any] | None = None
) -> CocoLists:
    """Images, annotations and categories of a file, and the image folder if its `info` names one.

    Args:
        path: The file.
        lean: Called on every object of the file as it is read; may drop or pack what takes memory.
        results: Instead of its annotations, those of these results that are of its images.

    Raises:
        DataError: If the file holds a list, or has not these three.
    """
    data = read_json(path, lean)
    if isinstance(data, list):
        raise DataError(
            f"{path}: holds a list, such as results of a detector or another tool's export. Expected an "
            "object with images, annotations and categories."
        )
    lacking = [k for k in KEYS if not isinstance(data, dict) or not isinstance(data.get(k), list)]
    if lacking:
        raise DataError(f"{path}: has no list {' and no list '.join(lacking)}. Expected {', '.join(KEYS)}.")
    info = data.get("info")
    folder = info.get("folder") if isinstance(info, dict) else None
    named = Path(folder) if isinstance(folder, str) and folder else None
    annotations = data["annotations"] if results is None else _of_images(results, data["images"])
    return data["images"], annotations, data["categories"], named


def is_results(path: Path) -> bool:
    """Whether a file holds COCO results: a list of objects, each with a score and the id of its image."""
    text = glance(path) if path.suffix == ".json" else ""
    return text.startswith("[") and all(f'"{key}"' in text for key in ("image_id", "category_id", "score"))


def _of_images(results: list[Any], images: list[Any]) -> list[Any]:
    """Those of some results that are of listed images, in order."""
    listed = {entry["id"] for entry in images if isinstance(entry, dict) and sound(entry.get("id"))}
    keys = [entry.get("image_id") if isinstance(entry, dict) else None for entry in results]
    return [entry for entry, key in zip(results, keys, strict=True) if not sound(key) or key in listed]


def listing(files: list[Path], results: list[Any]) -> list[Path]:
    """Those of some COCO files that list the images of results; of files with the same images the first.

    Raises:
        DataError: If the id of an image is that of another image in another file, or some of the images of a
            file are in another one.
    """
    wanted = {
        entry["image_id"] for entry in results if isinstance(entry, dict) and sound(entry.get("image_id"))
    }
    listed: dict[Path, dict[Any, str]] = {}
    for file in files:
        entries = (e for e in lists(file)[0] if isinstance(e, dict) and sound(e.get("id")))
        listed[file] = {entry["id"]: image_name(entry) for entry in entries if entry["id"] in wanted}
    names: dict[Any, str] = {}
    chosen: list[Path] = []
    for file in sorted(files, key=lambda file: -len(listed[file])):
        again = listed[file].keys() & names.keys()
        if any(listed[file][key] != names[key] for key in again) or 0 < len(again) < len(listed[file]):
            raise DataError(
                f"The ids of images in these results are ids in {chosen[0]} and in {file}, of other images. "
                "Put the results beside the annotations that they are of, alone."
            )
        if len(listed[file]) > len(again):
            chosen.append(file)
            names |= listed[file]
    return chosen or files


def images_folder(path: Path, names: list[str], split: str, named: Path | None = None) -> Path:
    """Folder that the file names are relative to: near the file, else the one that the file names.

    Raises:
        DataError: If two folders have them, and nothing tells which is meant.
    """
    bases = [path.parent]
    if path.parent.name.lower() in FOLDERS:
        bases.append(path.parent.parent)
    folders = [f for base in bases for f in (base, base / "images")]
    for base in [*bases, *(base / "images" for base in bases)]:
        folders += folders_in(base)[:_MOST]
    some = names[:: max(1, len(names) // _SAMPLE)]
    hits = {f: sum(is_there(f / name) for name in some) for f in dict.fromkeys(folders)}
    best = max(hits.values(), default=0)
    if best == 0:
        away = named is not None and any(is_there(named / name) for name in some)
        return named if named is not None and away else path.parent
    tied = [f for f in hits if hits[f] == best]
    # train/1.jpg and val/1.jpg may both be there: the folder that the file is named after, or that is
    # named after the split, goes before a nearer one.
    words = path.stem.lower().split("_")
    meant = [f for f in tied if f.name.lower() in words] or [
        f for f in tied if split_of(f.name) == split != ""
    ]
    usual = [f for f in tied if f in folders[: 2 * len(bases)]]
    choice = meant or usual or tied
    if len(choice) > 1 and choice is tied:
        shown = " and ".join(str(f) for f in tied[:3])
        raise DataError(f"{path}: the images it names lie in {shown}. Keep one, or put the file beside it.")
    return choice[0]
