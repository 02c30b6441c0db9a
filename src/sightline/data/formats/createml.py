"""CreateML: a JSON list of images with boxes, or with labels for the whole image.

Source: developer.apple.com, "Building an object detector data source": x and y are the middle of a box, in
pixels from the top left corner, and width and height its size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.instances import InstanceBuilder, numbers
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.labeled import labeled, of_lists
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.data.parsing.writing import all_split, class_table, items
from sightline.errors import DataError

CARD = FormatCard(
    name="createml",
    summary="CreateML: a JSON list of images with boxes, or with labels",
    recognized_by="_annotations.createml.json beside the images, perhaps in train/, valid/ and test/",
    target_types=("instances", "label"),
    writes=True,
)
_IMAGES = ("image", "imagefilename", "filename", "imageFilename")
_ENTRIES = ("annotations", "annotation", "label", "labels")
_SIDES = ("x", "y", "width", "height")
_LABEL = r'"annotations?"\s*:\s*(?:"|\[\s*(?:"|\{\s*"label"))'


@dataclass(frozen=True)
class _ImageEntry:
    """One entry: the image, its split, its boxes, and its labels without coordinates."""

    path: Path
    split: str
    boxes: list[tuple[str, tuple[float, ...]]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High for a JSON list of images with coordinates or labels."""
    del options
    return 0.97 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images, with their boxes; or with their labels, where these have no coordinates.

    An entry without annotations shows nothing. Splits are those of the folders and file names.

    Raises:
        DataError: If there is no such file, or boxes and labels without a place are mixed.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no CreateML annotation at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    broken: list[str] = []
    images = [item for path, split in chosen for item in _image_entries(path, split, broken)]
    top = root if root.is_dir() else root.parent
    into = InstanceBuilder(top, written="center", stored=options.exif == "ignore")
    what = "entries are not as CreateML has them, and were left out"
    fix = "Give each an image, and annotations with a label and coordinates x, y, width, height."
    into.note("entries-broken", "error", broken, what, fix)
    wholly = [item.path.name for item in images if item.labels]
    boxed = any(item.boxes for item in images)
    if wholly and boxed:
        raise DataError(
            f"{root}: {len(wholly):,} images have labels without coordinates ({wholly[0]}), others have "
            "boxes. Expected one of the two: keep them in two files."
        )
    if options.target_type == "label" or wholly:
        if not wholly:
            raise DataError(f"{root}: holds boxes, not labels of images. --task detect reads it.")
        paths, splits = [item.path for item in images], [item.split for item in images]
        return labeled(root, top, CARD.name, paths, splits, of_lists([item.labels for item in images]), notes)
    for item in images:
        image = into.add_image(item.path, item.split)
        for label, (x, y, w, h) in item.boxes:
            into.box(image, label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    names = into.names()
    return into.dataset(root, CARD.name, Classes(names), names, notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write SPLIT/_annotations.createml.json and the images beside it.

    Class ids, order, and classes without boxes are not held.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no boxes, or some items have no split.
    """
    classes = class_table(dataset, folder, CARD.name)
    all_split(dataset)
    files: dict[str, list[dict[str, Any]]] = {}
    for item in items(dataset):
        place = folder / item.split / f"{item.stem}{item.ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(item.data)
        entries = []
        for thing in item.objects:
            x1, y1, x2, y2 = thing.corners
            middle = zip(_SIDES, ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), strict=True)
            entries.append({"label": classes.names[thing.label], "coordinates": dict(middle)})
        name = place.relative_to(folder / item.split).as_posix()
        files.setdefault(item.split, []).append({"image": name, "annotations": entries})
    for split, entries in files.items():
        path = folder / split / "_annotations.createml.json"
        path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return folder


def _files(root: Path) -> list[Path]:
    """CreateML files of a folder: in it, and in folders named after splits."""
    return annotation_files(root, SPLIT_WORDS, (".json",), _like)


def _like(path: Path) -> bool:
    """Whether a file starts like CreateML's."""
    text = glance(path)
    named = any(f'"{key}"' in text for key in _IMAGES)
    is_named = (
        "createml" in path.name.lower() or '"coordinates"' in text
    )  # where no image has a box, the name
    return text.startswith("[") and named and (is_named or re.search(_LABEL, text) is not None)


def _image_entries(path: Path, split: str, broken: list[str]) -> Iterator[_ImageEntry]:
    """The entries of one file."""
    given = read_json(path)
    for n, entry in enumerate(given if isinstance(given, list) else [None]):
        name = next((entry[k] for k in _IMAGES if k in entry), None) if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            broken.append(f"{path.name} entry {n + 1}")
            continue
        things: Any = next((entry[k] for k in _ENTRIES if k in entry), [])
        image = _ImageEntry(path.parent / name, split)
        for thing in things if isinstance(things, list) else [things]:
            label = thing.get("label") if isinstance(thing, dict) else thing
            place = thing.get("coordinates") if isinstance(thing, dict) else None
            sides = numbers([place.get(k) for k in _SIDES], 4) if isinstance(place, dict) else None
            if not isinstance(label, str) or not label.strip() or (place is not None and sides is None):
                broken.append(f"{path.name} {name}")
            elif sides is None:
                image.labels.append(label.strip())
            else:
                image.boxes.append((label.strip(), sides))
        yield image
