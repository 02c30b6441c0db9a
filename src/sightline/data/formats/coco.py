"""COCO annotations: one JSON file for each split, with images, annotations and categories.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org, "Data
format". Boxes are [x, y, width, height] in pixels counted from 0, as floats; masks are lists of polygons
[x1, y1, x2, y2, ...] in the same pixels, or run-length codes, column by column.
"""

from __future__ import annotations

import itertools
import re
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.keypoints import Keypoints
from sightline.data.parsing.coco_file import (
    FOLDERS,
    KEYS,
    CocoLists,
    image_name,
    images_folder,
    is_results,
    listing,
    lists,
)
from sightline.data.parsing.coco_keypoints import CocoPoints, pack_keypoints
from sightline.data.parsing.coco_writing import LabelFile
from sightline.data.parsing.instances import NAN, InstanceBuilder
from sightline.data.parsing.json import four, glance, key_in, read_json, sound, whole
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import Outlined, decoded, ring
from sightline.data.parsing.splits import (
    SPLIT_WORDS,
    annotation_files,
    by_split,
)
from sightline.data.parsing.writing import OBJECTS, all_split, class_table, items
from sightline.errors import DataError

CARD = FormatCard(
    name="coco",
    summary="COCO JSON: images, boxes, masks or keypoints, and categories, one file per split",
    recognized_by="annotations/instances_train2017.json, train/_annotations.coco.json, or one such .json "
    "file",
    target_types=("instances", "outlines", "keypoints"),
    writes=True,
)
_SHARED = 0.5  # least intersection over union of a box and the one around its polygons


@dataclass
class _Contents:
    """Annotations collected over all files of a data set.

    Attributes:
        into: Images and boxes, or objects with masks.
        classes: Name of each category id, in the order of the first file.
        lost: Annotations of images that are not listed.
        boxless: Annotations without a box.
        broken: Entries that are not as they must be.
        texts: Numbers that are written as text.
        around: How many annotations have polygons beside their box.
        apart: Those of them whose box is elsewhere.
        clashes: Images whose id another one has.
        messages: Where images were found.
        posed: The skeleton, where keypoints are read.
        predictions: Whether scores are read.
    """

    into: InstanceBuilder
    classes: dict[int, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    boxless: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    around: int = 0
    apart: list[str] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    posed: CocoPoints = field(default_factory=CocoPoints)
    predictions: bool = False

    def compare(self, box: tuple[float, ...] | None, entry: dict[str, Any], where: str) -> None:
        """Note a box that does not fit the polygons beside it."""
        if box is None or "around" not in entry:
            return
        corners = entry["around"].reshape(2, -1, 2)
        (x1, y1), (x2, y2) = corners[0].min(0), corners[1].max(0)
        x, y, w, h = box
        common = max(0.0, min(x + w, x2) - max(x, x1)) * max(0.0, min(y + h, y2) - max(y, y1))
        self.around += 1
        if common < _SHARED * (w * h + (x2 - x1) * (y2 - y1) - common):
            self.apart.append(where)


def sniff(source: str, options: ReadOptions) -> float:
    """High for a JSON file with the lists of a COCO file, or a list of results where predictions are read."""
    results = options.predictions is not None and is_results(Path(source))
    return 0.97 if results or _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images of all splits, with their boxes, or masks (target "outlines"), areas and crowd flags.

    Category ids are kept as they are, holes and all. With masks, boxes are those around them. Images are
    looked for beside the JSON file and, if that lies in a folder `annotations`, beside that. A list of
    results has the images and categories of its annotations: `options.predictions`, a file, or a folder where
    those that list its images are taken.

    Raises:
        DataError: If no file is there, one cannot be read, or it is not clear which one is meant.
    """
    root, lean = Path(source), _with_packed_masks if options.target_type == "outlines" else _without_masks
    results = None
    if options.predictions is not None and is_results(root):
        results, root = read_json(root, lean), options.predictions
    files = _files(root) or ([root] if root.is_file() and results is None else [])
    if not files:
        needs = "" if results is None else f"{source}: results go with COCO annotations. "
        raise DataError(f"{needs}There is no COCO annotation at '{root}'. Expected {CARD.recognized_by}.")
    files = listing(files, results) if results is not None and len(files) > 1 else files
    word = "keypoints_" if options.target_type == Keypoints.kind else "instances_"
    named = [p for p in files if p.name.removeprefix("person_").startswith(word)]  # beside captions
    chosen, notes = by_split(named or files, root)
    loaded = [lists(chosen[0][0], lean, results)]
    contents = _empty(root, chosen[0][0], loaded[0], options, notes)
    contents.predictions = options.predictions is not None
    used = 0
    for path, split in chosen:
        file = loaded.pop() if loaded else lists(path, lean, results)
        used += len(file[1])
        _read_file(path, split, file, contents)
    if results is not None and used < len(results):
        left = f"{len(results) - used:,} of {len(results):,} results are of images without annotations"
        contents.messages.append(f"{left}, and were left out.")
    note = contents.into.note
    fix = "List the image, or take the annotation out."
    note("boxes-without-image", "error", contents.lost, "annotations are of images that are not listed", fix)
    what = "annotations have no box of four numbers, and were left out"
    note("boxes-missing", "error", contents.boxless, what, "Write bbox: [x, y, w, h].")
    what = "entries are not as COCO has them, and were left out"
    fix = "Give images an id and a file_name."
    note("entries-broken", "error", contents.broken, what, fix)
    what, fix = "numbers are written as text, and were read as numbers", "Nothing; others may want numbers."
    note("numbers-as-text", "info", contents.texts, what, fix)
    if len(contents.apart) > contents.around / 2:
        what = "boxes are not around the polygons of their own annotation"
        fix = "Write bbox: [x, y, w, h] around the segmentation, or take out the one that is wrong."
        note("boxes-not-around-masks", "error", contents.apart, what, fix)
    what = "images have the id of another one, and were left out: whose boxes are whose is not clear"
    note("image-ids-repeated", "error", contents.clashes, what, "Give each image an id of its own.")
    contents.posed.notes(note)
    table = contents.posed.classes if isinstance(contents.into, KeypointBuilder) else contents.classes
    classes = Classes(tuple(table.values()), tuple(table))
    return contents.into.dataset(root, CARD.name, classes, classes.ids, contents.messages)


def _empty(root: Path, path: Path, loaded: CocoLists, options: ReadOptions, notes: list[str]) -> _Contents:
    """Where everything is gathered: boxes, masks or keypoints, as requested or as the first file holds.

    Raises:
        DataError: If keypoints are requested, and no category has names for them.
    """
    folder, stored = root if root.is_dir() else root.parent, options.exif == "ignore"
    if options.target_type == "outlines":
        return _Contents(Outlined(folder, written="sizes", stored=stored), messages=notes)
    wanted = options.target_type == Keypoints.kind
    posed = CocoPoints(options.target)
    if wanted or options.target_type is None:
        posed.categories(path, loaded[2])
    if posed.skeleton is not None and (wanted or posed.decide(loaded[1])):
        into = KeypointBuilder(folder, written="sizes", stored=stored, skeleton=posed.skeleton)
        if not wanted:
            notes.append("Keypoints are read, as all objects may have some; --task detect takes the boxes.")
        return _Contents(into, messages=notes, posed=posed)
    if wanted:
        raise DataError(
            f"{path}: no category{f' {options.target!r}' if options.target else ''} has names of keypoints. "
            'Expected "keypoints": ["nose", ...] in a category, as in person_keypoints_*.json.'
        )
    if posed.skeleton is not None:
        notes.append("Keypoints were left aside: not all objects have some. --task keypoints takes them.")
    return _Contents(InstanceBuilder(folder, written="sizes", stored=stored), messages=notes)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write `annotations/instances_SPLIT.json`, or keypoints_SPLIT.json, and `images/SPLIT/`; without splits,
    instances_default.json.

    Masks become polygons along the edges of their pixels; those with holes and those of crowds, run lengths.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no boxes, or some items have no split.
    """
    holds = ("areas", "crowd", "scores", "hidden", "skeleton")
    classes = class_table(dataset, folder, CARD.name, holds, kinds=OBJECTS)
    all_split(dataset)
    skeleton = dataset.targets.skeleton if isinstance(dataset.targets, Keypoints) else None
    kind = "instances" if skeleton is None else "keypoints"
    files: dict[str, LabelFile] = {}
    numbers = itertools.count(1)
    (folder / "annotations").mkdir(parents=True)
    with ExitStack() as stack:
        for item in items(dataset):
            place = folder / "images" / item.split / f"{item.stem}{item.ending}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(item.data)
            if item.split not in files:
                path = folder / "annotations" / f"{kind}_{item.split or 'default'}.json"
                file = LabelFile(path, classes, numbers=numbers, skeleton=skeleton)
                files[item.split] = stack.enter_context(closing(file))
            files[item.split].write(item.number + 1, place.name, item.size, item.objects)
    return folder


def _like_coco(path: Path) -> bool:
    """Whether beginning and end of a file have two of the lists of a COCO file."""
    text = glance(path)
    return text.startswith("{") and sum(bool(re.search(rf'"{k}"\s*:\s*\[', text)) for k in KEYS) >= 2


def _files(root: Path) -> list[Path]:
    """COCO files of a folder: in it, in its `annotations`, and in folders named after splits."""
    return annotation_files(root, {*FOLDERS, *SPLIT_WORDS}, (".json",), _like_coco)


def _read_file(path: Path, split: str, loaded: CocoLists, contents: _Contents) -> None:
    """Gather the images and objects of one file."""
    images, annotations, categories, place = loaded
    _categories(path, categories, contents)
    if isinstance(contents.into, KeypointBuilder):
        contents.posed.categories(path, categories)
    names: dict[Any, tuple[str, dict[str, Any]]] = {}
    again = []
    for n, entry in enumerate(images):
        name = image_name(entry) if isinstance(entry, dict) and sound(entry.get("id")) else ""
        if not name:
            contents.broken.append(f"{path.name} images[{n}]")
            continue
        if names.setdefault(entry["id"], (name, entry))[0] != name:
            contents.clashes.append(f"{name} (id {entry['id']})")
        elif names[entry["id"]][1] is not entry:
            again.append(name)
    if images and not names:
        raise DataError(
            f"{path}: none of the {len(images):,} images has an id and a file_name (or coco_url). "
            f"Found {images[0]!r:.120}. Give each its id and its file."
        )
    folder = images_folder(path, [name for name, _ in names.values()], split, place)
    contents.messages.append(f"{path.name}: images in {folder}.")
    number = {}
    for key, (name, entry) in names.items():
        h, w = (
            whole(entry.get(k), f"{path.name} image {key} {k}", contents.texts) for k in ("height", "width")
        )
        size = None if h is None or w is None else (h, w)
        number[key] = contents.into.add_image(folder / name, split, size)
    for name in again:
        contents.into.add_image(folder / name, split)  # which tells of it
    _objects(path, annotations, number, contents)


def _objects(path: Path, annotations: list[Any], number: dict[Any, int], contents: _Contents) -> None:
    """Gather the boxes or masks of one file."""
    masks, posed = isinstance(contents.into, Outlined), isinstance(contents.into, KeypointBuilder)
    bare = contents.into.missing if isinstance(contents.into, Outlined) else contents.boxless
    before = len(bare)
    for n, entry in enumerate(annotations):
        if not isinstance(entry, dict):
            contents.broken.append(f"{path.name} annotations[{n}]")
            continue
        where = f"{path.name} annotation {entry.get('id', n)}"
        image = key_in(number, entry.get("image_id"), where, contents.texts)
        box = None if masks else four(entry.get("bbox"), where, contents.texts)
        if not entry.get("segmentation") if masks else box is None and not (posed and "keypoints" in entry):
            bare.append(where if masks or "bbox" not in entry else f"{where} (bbox {entry['bbox']!r:.60})")
        elif not sound(entry.get("category_id")):
            contents.broken.append(where)
        elif image is None:
            contents.lost.append(f"{where} (image {entry.get('image_id')!r})")
        else:
            contents.compare(box, entry, where)
            key = key_in(contents.classes, entry["category_id"], where, contents.texts)
            more = {
                "key": entry["category_id"] if key is None else key,
                "area": (four([entry.get("area")], where, contents.texts, 1) or (NAN,))[0],
                "crowd": entry.get("iscrowd") in (1, True, "1"),
            }
            if contents.predictions:
                more["score"] = (four([entry.get("score")], where, contents.texts, 1) or (NAN,))[0]
            if isinstance(contents.into, KeypointBuilder):
                contents.posed.add(entry, number[image], where, contents.into, contents.texts, more)
            else:
                _object(entry, box, number[image], where, contents.into, more)
    if annotations and len(bare) - before == len(annotations):
        raise DataError(
            f"{path}: none of the {len(annotations):,} annotations {_lacking(annotations[0], masks)}"
        )


def _lacking(first: Any, masks: bool) -> str:
    """Message about fields that annotations lack, and the way out."""
    entry = first if isinstance(first, dict) else {}
    lacks = "has a segmentation" if masks else "has a bbox of four numbers"
    given = "" if masks or "bbox" not in entry else f" (found {entry['bbox']!r:.60})"
    may = f"captions or of panoptic segments{' or of boxes only' if masks else ''}"
    way = f"Expected {'masks' if masks else 'boxes'}: instances_*.json."
    if "segments_info" in entry:
        may, way = (
            "panoptic segments, which are not read",
            "Use instances_*.json, or make class maps of the PNG files.",
        )
    elif {*entry} <= {"id", "image_id", "category_id"} and "category_id" in entry:
        may, way = "labels of whole images", "Read it with --format coco-labels."
    return f"{lacks}{given}; it may be a file of {may}. {way}"


def _object(
    entry: dict[str, Any], box: tuple[float, ...] | None, image: int, where: str, into: InstanceBuilder,
    more: dict[str, Any],
) -> None:  # fmt: skip
    """Gather one box or mask."""
    if not isinstance(into, Outlined):
        x, y, w, h = box or (NAN,) * 4
        into.box(image, corners=(x, y, x + w, y + h), **more)
        return
    drawn = entry["segmentation"]
    if isinstance(drawn, dict):
        try:
            part, size = decoded(drawn)
        except ValueError as error:
            into.broken.append(f"{where} (run-length code: {error})")
        else:
            into.stamp(image, part=part, where=where, size=size, **more)
        return
    rings = [ring(values) for values in drawn] if isinstance(drawn, list) else [None]
    if any(points is None for points in rings):
        into.broken.append(f"{where} (no lists x1, y1, x2, y2, ... of numbers)")
    else:
        into.polygons(image, rings=[p for p in rings if p is not None], where=where, **more)


def _without_masks(entry: dict[str, Any]) -> None:
    """Replace polygons by their bounding boxes, and pack keypoints: lists take much memory."""
    pack_keypoints(entry)
    if "segmentation" in entry:
        rings = [ring(v) for v in drawn] if isinstance(drawn := entry.pop("segmentation"), list) else []
        points = [p for p in rings if p is not None and len(p) > 2]
        if points and len(points) == len(rings):
            entry["around"] = np.concatenate([*(p.min(0) for p in points), *(p.max(0) for p in points)])


def _with_packed_masks(entry: dict[str, Any]) -> None:
    """Convert polygons to arrays: a tenth of the memory of lists."""
    drawn = entry.get("segmentation")
    if isinstance(drawn, list):
        entry["segmentation"] = [
            values if (points := ring(values)) is None else points.ravel() for values in drawn
        ]


def _categories(path: Path, entries: list[Any], contents: _Contents) -> None:
    """Add to the class table.

    Raises:
        DataError: If a category has no id or name, or one id has two names.
    """
    for entry in entries:
        given, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (None, None)
        number = whole(given, f"{path.name} category {name}", contents.texts)
        if number is None or not isinstance(name, str):
            raise DataError(
                f"{path}: a category needs a whole number as id, and a name. Found {entry!r:.80}."
            )
        if contents.classes.setdefault(number, name) != name:
            raise DataError(
                f"{path}: category {number} is called '{name}' and, before that, "
                f"'{contents.classes[number]}'. "
                "Give each class one id in all files."
            )
