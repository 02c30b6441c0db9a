"""JSON in COCO's layout with image labels: an annotation has an image and a category, and no box.

Source: G. Van Horn et al., "The iNaturalist Species Classification and Detection Dataset", CVPR 2018, and
COCO Camera Traps (S. Beery et al., ECCV 2018), whose images name the location of the camera.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.coco_file import FOLDERS, KEYS, image_name, images_folder, lists
from sightline.data.parsing.findings import listed
from sightline.data.parsing.json import glance, sound
from sightline.data.parsing.labeled import labeled, of_lists
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.errors import DataError

CARD = FormatCard(
    name="coco-labels",
    summary="JSON in COCO's layout with a category for each image, as of iNaturalist and camera traps",
    recognized_by="train2018.json with images, categories, and annotations of image_id and category_id only",
    target_types=("label",),
)
_OTHERS = ("bbox", "segmentation", "segments_info", "caption", "keypoints")
"""What an annotation has that is about a part of an image, or no class."""


@dataclass
class _Rows:
    """The images of all files."""

    paths: list[Path] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    labels: list[list[str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def sniff(source: str, options: ReadOptions) -> float:
    """High if a file has categories of images, and nothing with a position."""
    return 0.98 if options.target_type in (None, "label") and _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that are listed, with their categories; those of camera traps in groups by location.

    Raises:
        DataError: If there is no such file, or none of its images can be used.
    """
    del options
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no JSON of labelled images at '{root}'. Expected {CARD.recognized_by}.")
    top = root if root.is_dir() else root.parent
    chosen, notes = by_split(files, root)
    rows = _Rows()
    for path, split in chosen:
        _read_file(path, split, rows)
    if not rows.paths:
        raise DataError(f"{root}: no image has an id and a file_name.")
    labels = of_lists(rows.labels)
    assert labels.classes is not None
    names = labels.classes.names
    if len({rows.ids[n] for n in names}) == len(names):  # files may count otherwise
        labels.classes = Classes(names, tuple(rows.ids[n] for n in names))
    dataset = labeled(root, top, CARD.name, rows.paths, rows.splits, labels, notes)
    what = "entries lack an id or a file, or are of images or categories not listed; they were left out"
    fix = "Give each image an id and a file_name, and list the images and categories of all annotations."
    lost = listed("annotations-lost", "error", rows.lost, what, fix)
    return replace(_grouped(dataset, rows), read_findings=(*dataset.read_findings, *lost))


def _files(root: Path) -> list[Path]:
    return annotation_files(root, {*FOLDERS, *SPLIT_WORDS}, (".json",), _like)


def _like(path: Path) -> bool:
    text = glance(path)
    is_coco = sum(f'"{key}"' in text for key in KEYS) > 1 and '"category_id"' in text
    return is_coco and not any(f'"{key}"' in text for key in _OTHERS)


def _read_file(path: Path, split: str, rows: _Rows) -> None:
    """Add the images of one file.

    Raises:
        DataError: If it has not the three lists, or its annotations have boxes.
    """
    listed, annotations, categories, place = lists(path)
    if any(isinstance(a, dict) and any(a.get(key) for key in _OTHERS) for a in annotations):
        raise DataError(f"{path}: annotations have boxes or masks. Read it as --format coco.")
    named = Counter(str(c.get("name")) for c in categories if isinstance(c, dict))
    classes: dict[Any, str] = {}
    for entry in categories:
        if isinstance(entry, dict) and sound(entry.get("id")):
            name, key = str(entry.get("name")), entry["id"]
            classes[key] = name if named[name] == 1 else f"{name} ({key})"
            rows.ids.setdefault(classes[key], key if type(key) is int else len(rows.ids))
    images: dict[Any, dict[str, Any]] = {}
    for n, entry in enumerate(listed):
        if isinstance(entry, dict) and sound(entry.get("id")) and image_name(entry):
            images[entry["id"]] = entry
        else:
            rows.lost.append(f"{path.name} images[{n}]")
    labels: dict[Any, list[str]] = defaultdict(list)
    for n, entry in enumerate(annotations):
        image, key = (entry.get("image_id"), entry.get("category_id")) if isinstance(entry, dict) else (0, 0)
        if not (sound(image) and sound(key)) or image not in images or key not in classes:
            rows.lost.append(f"{path.name} annotations[{n}]")
        elif classes[key] not in labels[image]:
            labels[image].append(classes[key])
    folder = images_folder(path, [image_name(entry) for entry in images.values()], split, place)
    for key, entry in images.items():
        rows.paths.append(folder / image_name(entry))
        rows.splits.append(split)
        rows.labels.append(labels[key])
        rows.places.append(str(entry.get("location") or ""))


def _grouped(dataset: Dataset, rows: _Rows) -> Dataset:
    """Use the location of each image as its group, if all have one and they differ."""
    places = dict(zip((path.name for path in rows.paths), rows.places, strict=True))
    if not all(rows.places) or len({*rows.places}) < 2 or len(places) < len(rows.paths):
        return dataset
    groups = np.array([places.get(Path(item).name, "") for item in dataset.ids], dtype=object)
    note = f"Images of one location are one group: {len({*groups}):,} locations."
    return replace(dataset, groups=groups, messages=(*dataset.messages, note))
