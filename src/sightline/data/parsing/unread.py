"""What annotation files that nobody read look like, so that none is taken for clutter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.formats import FORMATS
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import walk
from sightline.data.parsing.json import glance
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import name_of, split_of
from sightline.data.parsing.yolo_discovery import LINE, LISTS
from sightline.errors import SightlineError

_LOOKED, _MOST = 20, 400
"""Files of a folder, and of all folders, that are looked at."""
_ENDINGS = (".json", ".jsonl", ".xml", ".txt", ".csv", ".tsv", ".parquet", ".yaml", ".yml", ".names")
_PICTURE = re.compile(r"\.(" + "|".join(sorted(e[1:] for e in ALL_EXTENSIONS)) + r")\b", re.IGNORECASE)
_NUMBER = r"[-+]?\d+(\.\d*)?"
_DOTA = re.compile(rf"\s*({_NUMBER}\s+){{8}}\S+\s+\d\s*")
_MOT = re.compile(rf"\s*\d+\s*,\s*-?\d+\s*(,\s*{_NUMBER}\s*){{5,8}}")
_KEYS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("COCO", "coco", ("images", "annotations", "categories")),
    ("labelme", "labelme", ("shapes", "imagePath")),
    ("VIA", "via", ("regions", "shape_attributes")),
    ("Supervisely", "supervisely", ("objects", "classTitle")),
    ("CreateML", "createml", ("coordinates", "annotations")),
    ("Label Studio", "label-studio", ("data", "annotations", "result")),
    ("Label Studio (JSON-MIN)", "label-studio", ("annotator", "annotation_id")),
    ("Label Studio (JSON-MIN)", "label-studio", ("original_width", "rectanglelabels")),
    ("Datumaro", "datumaro", ("categories", "items", "info")),
)
"""Name, format and keys of kinds of JSON; the first whose keys are all there."""


@dataclass
class Unread:
    """Files of one kind.

    Attributes:
        what: Its name.
        format: Name of the format that may read such files, or "".
        files: Those that were seen.
    """

    what: str
    format: str = ""
    files: list[Path] = field(default_factory=list)


def unread(root: Path) -> list[Unread]:
    """Files below a folder (or the one file) that look like annotations, by kind; the most frequent first."""
    by_what: dict[str, Unread] = {}
    count = 0
    for top, _, names in [(root.parent, [], [root.name])] if root.is_file() else walk(root):
        some = [n for n in names if Path(n).suffix.lower() in _ENDINGS]
        pictures = {Path(n).stem for n in names if Path(n).suffix.lower() in ALL_EXTENSIONS}
        for name in some[:_LOOKED] if count < _MOST else ():
            count += 1
            path = top / name
            kind = _kind(path, beside=path.stem in pictures)
            if kind is not None:
                by_what.setdefault(kind.what, kind).files.append(path)
    return sorted(by_what.values(), key=lambda kind: -len(kind.files))


def told(kinds: list[Unread], root: Path) -> str:
    """What some kinds look like and how they can be read, in sentences; "" if there are none."""
    sentences = [
        f"{kind.files[0].name}{' and others look' if len(kind.files) > 1 else ' looks'} like {kind.what}."
        for kind in kinds[:3]
    ]
    ways = [way for kind in kinds[:3] if (way := _way(kind, root))]
    if sentences and not ways:
        ways = ["No format reads them as they lie here: export them as COCO, YOLO or Pascal VOC."]
    return " ".join([*sentences, *dict.fromkeys(ways)])


def _way(kind: Unread, root: Path) -> str:
    """How files of a kind can be read: by their format, if that finds any truth in them; "" if not."""
    if kind.format not in FORMATS:
        return ""
    module = FORMATS.load(kind.format)
    for source, option in (
        (root, f"Read as such with --format {module.CARD.name}."),
        (kind.files[0], f"Name the file itself: '{name_of(kind.files[0], root)}'."),
    ):
        for truth in module.CARD.truths:
            try:
                dataset = module.read(str(source), ReadOptions(truth=truth))
            except (SightlineError, OSError, UnicodeError):
                continue
            if len(getattr(dataset.targets, "labels", dataset)):
                return option
    return ""


def _kind(path: Path, beside: bool) -> Unread | None:
    """What a file looks like, or None where it is no annotation.

    Args:
        path: The file.
        beside: Whether a picture of its name lies beside it.
    """
    looks: dict[str, Callable[[str, str, bool], Iterator[Unread]]] = {
        ".json": _json, ".jsonl": _table, ".xml": _xml, ".csv": _table, ".tsv": _table,
        ".yaml": _yaml, ".yml": _yaml,
    }  # fmt: skip
    ending = path.suffix.lower()
    if ending == ".parquet":
        return Unread("a table", "table")
    return next(looks.get(ending, _text)(glance(path), path.name.lower(), beside), None)


def _json(text: str, name: str, beside: bool) -> Iterator[Unread]:
    """A JSON file."""
    del name
    for what, format, keys in _KEYS:
        if all(f'"{key}"' in text for key in keys):
            yield Unread(f"annotations of {what}", format)
    if beside:
        yield Unread("annotations in JSON")


def _xml(text: str, name: str, beside: bool) -> Iterator[Unread]:
    """An XML file."""
    del name
    if re.search(r"<annotations[ >]", text):
        yield Unread("annotations of CVAT", "cvat")
    elif re.search(r"<annotation[ >]", text, re.IGNORECASE):
        yield Unread("annotations of Pascal VOC", "voc")
    elif beside:
        yield Unread("annotations in XML")


def _table(text: str, name: str, beside: bool) -> Iterator[Unread]:
    """A table, or a line of JSON a picture: one that names pictures."""
    del beside
    lines = text.splitlines()[:20]
    named = sum(bool(_PICTURE.search(line)) for line in lines)
    if name.startswith("metadata.") and "file_name" in text:
        yield Unread("the metadata table of an image folder", "metadata")
    elif named and named >= (len(lines) - 1) / 2:
        yield Unread("a table of pictures", "table")


def _yaml(text: str, name: str, beside: bool) -> Iterator[Unread]:
    """A file that describes a data set of YOLO."""
    del name, beside
    if re.search(r"^(names|nc)\s*:", text, re.MULTILINE) and re.search(
        r"^(train|val)\s*:", text, re.MULTILINE
    ):
        yield Unread("data.yaml of YOLO", "yolo")


def _text(text: str, name: str, beside: bool) -> Iterator[Unread]:
    """A text file: lines of boxes, or a list of the pictures of a split."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if lines and all(LINE.fullmatch(line) for line in lines):
        yield Unread("label files of YOLO", "yolo")
    elif lines and all(_DOTA.fullmatch(line) for line in lines):
        yield Unread("label files of DOTA", "dota")
    elif lines and all(_MOT.fullmatch(line) for line in lines):
        yield Unread("boxes of MOTChallenge, a line a box in a frame")
    elif name in LISTS and name.endswith(".names"):
        yield Unread("class names of YOLO", "yolo")
    elif split_of(name) and sum(bool(_PICTURE.search(line)) for line in lines) > len(lines) / 2:
        yield Unread("a list of the pictures of a split")
    elif beside and lines:
        yield Unread("text beside each picture")
