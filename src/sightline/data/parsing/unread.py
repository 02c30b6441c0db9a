"""Recognition of annotation files that no format has read, so that they are reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.formats import FORMATS
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import walk
from sightline.data.parsing.csv import is_spaced
from sightline.data.parsing.json import glance
from sightline.data.parsing.mot_text import LINE as MOT_LINE
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, name_of
from sightline.data.parsing.tables import is_form
from sightline.data.parsing.yolo_discovery import LINE, LISTS
from sightline.errors import SightlineError

FORM = "a form for answers"
_LIST = "a list of the images of a split"
_BARE = "a list of images and labels without a header"
_TRIED = 5
_LOOKED, _MOST = 20, 400
"""Files of a folder, and of all folders, that are looked at."""
_ENDINGS = (".json", ".jsonl", ".xml", ".txt", ".csv", ".tsv", ".parquet", ".yaml", ".yml", ".names", ".odgt")
_IMAGE_NAME = re.compile(r"\.(" + "|".join(sorted(e[1:] for e in ALL_EXTENSIONS)) + r")\b", re.IGNORECASE)
_NUMBER = r"[-+]?\d+(\.\d*)?"
_DOTA = re.compile(rf"\s*({_NUMBER}\s+){{8}}\S+\s+\d\s*")
_KITTI = re.compile(rf"[A-Za-z_]+(\s+{_NUMBER}){{14,15}}\s*")
_NAMED = re.compile(rf"[A-Za-z][\w&' -]*(\s+{_NUMBER}){{4}}\s*")
_EIGHT = re.compile(r"\s*\d+(,-?\d+){7},?\s*")
_BOXES = re.compile(r"\S+\.\w{3,4}(\s+\d+,\d+,\d+,\d+,\d+)+\s*")
_ABOUT = re.compile(r"(imagesource|gsd)\s*:", re.IGNORECASE)
_SPLIT = re.compile(r"(^|[^a-z])(" + "|".join(SPLIT_WORDS) + r")([^a-z]|$)")
_PATHLIKE = re.compile(r"id$|(^|_)id_|image|img|file|name|path|pic|photo")
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
    ("COCO's panoptic segments", "", ("segments_info", "image_id")),
    ("BDD100K", "", ("labels", "category", "box2d")),
    ("TT100K", "", ("imgs", "objects", "category")),
    ("CrowdHuman", "", ("gtboxes", "fbox")),
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
    some: list[tuple[Path, bool]] = []
    for top, _, names in [(root.parent, [], [root.name])] if root.is_file() else walk(root):
        few = [n for n in names if Path(n).suffix.lower() in _ENDINGS][:_LOOKED]
        images = _stems(names) if few else set()
        some += [(top / n, Path(n).stem in images) for n in few if len(some) < _MOST]
    within = walk(root) if some and root.is_dir() else ()
    stems = {stem for _, _, names in within for stem in _stems(names)}
    for path, beside in some:
        kind = _kind(path, beside, stems)
        if kind is not None:
            by_what.setdefault(kind.what, kind).files.append(path)
    return sorted(by_what.values(), key=lambda kind: (kind.what == FORM, -len(kind.files)))


def _stems(names: list[str]) -> set[str]:
    """Names of images without their ending."""
    return {Path(n).stem for n in names if Path(n).suffix.lower() in ALL_EXTENSIONS}


def describe_unread(kinds: list[Unread], root: Path) -> str:
    """Description of unread files and how they can be read, in sentences; "" if there are none."""
    sentences = [
        f"{kind.files[0].name}{' and others look' if len(kind.files) > 1 else ' looks'} like {kind.what}."
        for kind in kinds[:3]
    ]
    ways = [way for kind in kinds[:3] if (way := _way(kind, root))]
    if sentences and not ways and any(kind.what != FORM for kind in kinds[:3]):
        ways = ["No format reads them as they lie here: export them as COCO, YOLO or Pascal VOC."]
    return " ".join([*sentences, *dict.fromkeys(ways)])


def _way(kind: Unread, root: Path) -> str:
    """How files of a kind can be read: by their format, if that finds any target in them; "" if not."""
    if kind.what == _LIST:
        return "Lists of splits are not read here: make folders train, val and test, or a table with a split."
    if kind.what == _BARE:
        return "Write it as a CSV table with the header path,label, and name that file."
    if kind.format not in FORMATS:
        return ""
    module = FORMATS.load(kind.format)
    unsure = ""
    for path in (root, *kind.files[:_TRIED]):
        option = f"Name the file itself: '{name_of(path, root)}'."
        for target_type in module.CARD.target_types:
            try:
                dataset = module.read(str(path), ReadOptions(target_type=target_type))
            except (SightlineError, OSError, UnicodeError) as error:
                if "--target" in str(error) and path != root:
                    unsure = unsure or f"{option[:-1]}, and the column with the target with --target."
                continue
            if len(getattr(dataset.targets, "labels", dataset)):
                return option if path != root else f"Read as such with --format {module.CARD.name}."
    return unsure


def _kind(path: Path, beside: bool, stems: set[str]) -> Unread | None:
    """What a file looks like, or None where it is no annotation.

    Args:
        path: The file.
        beside: Whether an image of its name lies beside it.
        stems: Names of all images without ending.
    """
    looks: dict[str, Callable[[str, str, bool, set[str]], Iterator[Unread]]] = {
        ".json": _json, ".jsonl": _table, ".xml": _xml, ".csv": _table, ".tsv": _table, ".odgt": _json,
        ".yaml": _yaml, ".yml": _yaml,
    }  # fmt: skip
    ending = path.suffix.lower()
    if ending == ".parquet":
        return Unread("a table", "table")
    if ending == ".txt" and is_spaced(path):
        return Unread("a table of images", "table")
    return next(looks.get(ending, _text)(glance(path), path.name, beside, stems), None)


def _json(text: str, name: str, beside: bool, stems: set[str]) -> Iterator[Unread]:
    """A JSON file."""
    del name, stems
    for what, format, keys in _KEYS:
        if all(f'"{key}"' in text for key in keys):
            yield Unread(f"annotations of {what}", format)
    if beside:
        yield Unread("annotations in JSON")


def _xml(text: str, name: str, beside: bool, stems: set[str]) -> Iterator[Unread]:
    """An XML file."""
    del name, stems
    if re.search(r"<annotations[ >]", text):
        yield Unread("annotations of CVAT", "cvat")
    elif re.search(r"<annotation[ >]", text, re.IGNORECASE):
        yield Unread("annotations of Pascal VOC", "voc")
    elif beside:
        yield Unread("annotations in XML")


def _table(text: str, name: str, beside: bool, stems: set[str]) -> Iterator[Unread]:
    """A table, or a line of JSON an image: one that names images."""
    del beside
    lines = text.splitlines()[:20]
    named = sum(bool(_IMAGE_NAME.search(line)) for line in lines)
    if name.lower().startswith("metadata.") and "file_name" in text:
        yield Unread("the metadata table of an image folder", "metadata")
    elif is_form(Path(name)):
        yield Unread(FORM)
    elif (named and named >= (len(lines) - 1) / 2) or _names_some(lines, stems):
        yield Unread("a table of images", "table")


def _names_some(lines: list[str], stems: set[str]) -> bool:
    """Whether a column that is called an id, name or path holds names of images without their ending."""
    heads, *rows = [re.split(r"[,;\t|]", line) for line in lines if line.strip()] or [[]]
    for k, head in enumerate(heads):
        cells = [row[k].strip('" ').replace("\\", "/") for row in rows if len(row) > k]
        named_count = sum(cell.rpartition("/")[2] in stems for cell in cells)
        if _PATHLIKE.search(head.lower()) and named_count > len(cells) / 2:
            return True
    return False


def _yaml(text: str, name: str, beside: bool, stems: set[str]) -> Iterator[Unread]:
    """A file that describes a data set of YOLO."""
    del name, beside, stems
    if re.search(r"^(names|nc)\s*:", text, re.MULTILINE) and re.search(
        r"^(train|val)\s*:", text, re.MULTILINE
    ):
        yield Unread("data.yaml of YOLO", "yolo")


def _text(text: str, name: str, beside: bool, stems: set[str]) -> Iterator[Unread]:
    """A text file: lines of boxes, or a list of the images of a split."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    lines = [line for line in lines if not _ABOUT.match(line)] or lines
    is_named = Path(name).stem in stems
    kinds = (
        (LINE, "label files of YOLO", "yolo"), (_DOTA, "label files of DOTA", "dota"),
        (_KITTI, "label files of KITTI", ""), (_EIGHT if is_named else None, "label files of VisDrone", ""),
        (MOT_LINE, "boxes of MOTChallenge, a line a box in a frame", "motchallenge"),
        (_NAMED if is_named else None, "label files of Open Images (class and corners)", ""),
        (_BOXES, "boxes of keras-yolo3, a line an image", ""),
    )  # fmt: skip
    for pattern, what, format in kinds if lines else ():
        if pattern is not None and all(pattern.fullmatch(line) for line in lines):
            yield Unread(what, format)
    with_image = [bool(_IMAGE_NAME.search(line)) for line in lines]
    named_count = sum(_first(line) in stems for line in lines)
    if name.lower() in LISTS and name.endswith(".names"):
        yield Unread("class names of YOLO", "yolo")
    elif with_image[:1] == [True] and [line.strip().isdigit() for line in lines[1:2]] == [True]:
        yield Unread("boxes of WIDER FACE, an image and then its boxes")
    elif named_count > len(lines) / 2 and all(map(_labeled, lines)):
        yield Unread(_BARE)
    elif _SPLIT.search(name.lower()) and (
        "train_test_split" in name.lower() or max(sum(with_image), named_count) > len(lines) / 2
    ):
        yield Unread(_LIST)
    elif beside and lines:
        yield Unread("text beside each image")


def _labeled(line: str) -> bool:
    """Whether something stands behind the name of an image that is none itself."""
    cells = line.split()
    return len(cells) > 1 and not _IMAGE_NAME.search(cells[1])


def _first(line: str) -> str:
    """Name, without folders and ending, of the first word of a line."""
    name = line.split()[0].rpartition("/")[2]
    return Path(name).stem if _IMAGE_NAME.search(name) else name
