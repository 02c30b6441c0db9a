"""YOLO text files: one for each image, one line for each box, and data.yaml with class names and splits.

Source: J. Redmon's Darknet, whose lines are `class x y width height`: the class from 0, the middle of the box
and its size as shares of the image's width and height. data.yaml came later; its layout is read as in use,
and so are lines of masks: `class x1 y1 x2 y2 x3 y3 ...`, one polygon an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_in
from sightline.data.parsing.darknet import old_config
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.instances import NAN, InstanceBuilder
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import Outlined, ring
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.writing import OBJECTS, all_split, class_table, items
from sightline.data.parsing.yolo_discovery import (
    LINE,
    LISTS,
    Config,
    config_of,
    configs,
    configured,
    images_in,
    label_file,
    label_files,
    labels_folder,
    listed,
    place_of,
    plain_parts,
)
from sightline.data.parsing.yolo_pose import PoseLines, pose_config, pose_lines
from sightline.data.parsing.yolo_writing import config_text, label_text
from sightline.errors import DataError

CARD = FormatCard(
    name="yolo",
    summary="YOLO text files of boxes, polygons or keypoints, one per image, with class names in data.yaml",
    recognized_by="data.yaml with names and train, or obj.data, or a.txt with lines 'class x y w h' by a.jpg",
    target_types=("instances", "outlines", "keypoints"),
    writes=True,
)
_FAR = 10.0  # no share of an image is as large, even of a box that leaves it; pixels nearly always are


@dataclass
class _Contents:
    """What is gathered from all label files.

    Attributes:
        drawing: Images and boxes, or objects with masks.
        files: The image that each label file was read for.
        folders: The folder of images that each folder of labels belongs to.
        broken: Lines that are no five numbers.
        scored: Lines with a confidence.
        boxes: Lines with a box, where polygons are wanted.
        pixels: Lines in pixels.
        posed: Lines with a box and keypoints, of which the box is taken.
        pose: What data.yaml says of keypoints, or None.
        bare: Images without a label file.
        labeled: Splits with a label file.
        empty: Label files without a line.
        gone: Places of data.yaml that are not there, by split.
        highest: Highest class id.
        predictions: Whether a line may end with a score.
    """

    drawing: Drawing
    files: dict[Path, int] = field(default_factory=dict)
    folders: dict[Path, Path] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    scored: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    pixels: list[str] = field(default_factory=list)
    posed: list[str] = field(default_factory=list)
    pose: PoseLines | None = None
    bare: list[str] = field(default_factory=list)
    labeled: set[str] = field(default_factory=set)
    empty: int = 0
    gone: list[str] = field(default_factory=list)
    highest: int = -1
    predictions: bool = False

    @property
    def into(self) -> InstanceBuilder:
        """Where images are gathered."""
        return self.drawing.into


def sniff(source: str, options: ReadOptions) -> float:
    """High for a data.yaml with names and splits, for obj.data, and for images with YOLO label files."""
    del options
    labels_folder.cache_clear()
    root = Path(source)
    if root.is_file() and root.suffix.lower() in (".yaml", ".yml"):
        return 0.97 if config_of(root) is not None else 0.0
    if root.is_dir() and (configs(root) or any(label_files(f) for f, _ in plain_parts(root))):
        return 0.97
    return 0.97 if old_config(root) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images of all splits, with their boxes, or with their polygons as masks (target "outlines").

    Where lines are polygons only, masks are taken too; where they are mixed, the box around each polygon.
    Keypoints are taken where data.yaml has `kpt_shape`. An image without a label file shows nothing.

    Raises:
        DataError: If there is no such data set, or data.yaml cannot be understood.
    """
    labels_folder.cache_clear()
    root = Path(source)
    yaml_there = configs(root) if root.is_dir() else root.suffix.lower() in (".yaml", ".yml")
    config = (None if yaml_there else old_config(root)) or configured(root)
    pose = next(filter(None, map(_pose, configs(root) if root.is_dir() else [root])), None)
    top = root if root.is_dir() else root.parent
    readings: list[_Contents] = []

    def gather(drawing: Drawing) -> None:
        contents = _Contents(drawing, pose=pose, predictions=options.predictions is not None)
        for split, images in _listed_images(config, root, contents):
            for path in images:
                number = contents.into.add_image(path, split)
                path = contents.into.paths[number]
                _labels(path, label_file(path), number, contents)
        readings.append(contents)

    if options.target_type == Keypoints.kind or (options.target_type is None and pose is not None):
        config.messages += _posed(gather, pose, root, top, options)
    else:
        config.messages += targets_of(gather, top, options, whole=1.0, written="center").messages
    contents = readings[-1]
    _orphans(contents)
    _notes(contents)
    names = config.names or {i: str(i) for i in range(contents.highest + 1)}
    if not config.names:
        config.messages.append(
            "No class names were found (data.yaml, classes.txt): classes are called by id."
        )
    classes = Classes(tuple(names.values()), tuple(names))
    return contents.into.dataset(root, CARD.name, classes, classes.ids, config.messages)


def _pose(path: Path) -> PoseLines | None:
    """What a data.yaml says of keypoints."""
    return pose_lines(path, config_of(path) or {})


def _posed(
    gather: Callable[[Drawing], None], pose: PoseLines | None, root: Path, top: Path, options: ReadOptions
) -> list[str]:
    """Collect objects with keypoints.

    Raises:
        DataError: If data.yaml does not say how many points a line has.
    """
    if pose is None:
        raise DataError(f"{root}: no data.yaml says that lines hold keypoints. Expected kpt_shape: [17, 3].")
    stored = options.exif == "ignore"
    drawing = Drawing(KeypointBuilder(top, 1.0, "center", stored=stored, skeleton=pose.skeleton))
    gather(drawing)
    drawing.finish()
    return [*pose.messages, *drawing.messages]


def write(dataset: Dataset, folder: Path) -> Path:
    """Write images/SPLIT, labels/SPLIT and data.yaml, with the class ids as they are.

    A mask becomes one polygon along the edges of its pixels; parts and holes are joined by cuts of no width.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, the target is no boxes, or some items have no split.
    """
    classes = class_table(dataset, folder, CARD.name, ("hidden", "skeleton"), kinds=OBJECTS)
    splits = [s for s in SPLITS if s in dataset.splits] if all_split(dataset) else []
    for item in items(dataset):
        for kind, ending, data in (
            ("images", item.ending, item.data),
            ("labels", ".txt", label_text(item.objects, item.size, classes).encode()),
        ):
            place = folder / kind / item.split / f"{item.stem}{ending}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    text = config_text({split: f"images/{split}" for split in splits}, classes)
    if isinstance(dataset.targets, Keypoints):
        text += yaml.safe_dump(pose_config(dataset.targets.skeleton, classes.ids), sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return folder


def _listed_images(config: Config, root: Path, contents: _Contents) -> Iterator[tuple[str, list[Path]]]:
    """Images of each place of each split.

    Raises:
        DataError: If none of the places is there.
    """
    if not config.parts:
        folder = root if root.is_dir() else config.folder
        for images, split in plain_parts(folder) or [(folder, "")]:
            yield split, images_in(images)
        return
    missing: list[str] = []
    for split in SPLITS:
        for text in config.parts.get(split, ()):
            place = place_of(config.folder, root, text)
            if place is None:
                missing.append(f"{split}: {text}")
            elif place.is_dir():
                yield split, images_in(place)
            else:
                yield split, listed(place, config.folder)
    if len(missing) == sum(map(len, config.parts.values())):
        raise DataError(
            f"{root}: nothing is at the places that data.yaml names ({', '.join(missing)}; from "
            f"{config.folder}). Correct path, train, val and test."
        )
    contents.gone = missing


def _labels(image: Path, path: Path, number: int, contents: _Contents) -> None:
    """Collect the boxes of one image."""
    contents.folders[labels_folder(image.parent)] = image.parent
    if contents.files.get(path) == number:  # the image is named twice, which is told
        return
    if not path.is_file():
        if image.is_file():
            contents.bare.append(name_of(image, contents.into.root))
        return
    contents.files[path] = number
    contents.labeled.add(contents.into.splits[number])
    name = name_of(path, contents.into.root)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        contents.broken.append(f"{name} ({error})")
        return
    contents.empty += not any(line.strip() for line in lines)
    for n, line in enumerate(lines, 1):
        if words := line.split():
            _line(words, f"{name} line {n}", number, contents)


def _line(words: list[str], where: str, image: int, contents: _Contents) -> None:
    """Collect one box or polygon, or report the error in its line."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        contents.broken.append(f"{where} ({' '.join(words):.40})")
        return
    whole = values[0] >= 0 and values[0] % 1 == 0 and values[0] < 1e9
    outlined, score = isinstance(contents.into, Outlined), _score(values, contents)
    if isinstance(contents.into, KeypointBuilder):
        _pose_line(values, where, image, contents, contents.into, score)
        return
    if whole and len(values) > 6 and (contents.pose is not None or _has_points(values)):
        contents.posed.append(where)
        values = values[:5]
    if len(values) == 6 and whole:
        contents.scored.append(where)
    elif not whole or len(values) < 5 or len(values) % 2 == 0:
        contents.broken.append(f"{where} ({' '.join(words):.40})")
    elif len(values) == 5 and outlined:
        contents.boxes.append(where)
    elif any(abs(v) > _FAR for v in values[1:]):
        contents.pixels.append(f"{where} ({' '.join(words):.40})")
    else:
        contents.highest = max(contents.highest, int(values[0]))
        points = ring(values[1:])
        if len(values) > 5 and points is not None:
            contents.drawing.polygon(image, int(values[0]), [points], where, score=score)
            return
        contents.drawing.box(image, int(values[0]), _corners(values), where, score=score)


def _score(values: list[float], contents: _Contents) -> float:
    """Take the score off the line of a prediction, whose last number it is; NaN where there is none."""
    bare = len(values) % 2 == 1 if contents.pose is None else len(values) in (5, contents.pose.numbers)
    return values.pop() if contents.predictions and not bare else NAN


def _pose_line(
    values: list[float], where: str, image: int, contents: _Contents, into: KeypointBuilder, score: float
) -> None:
    """Collect one object with keypoints, or report the error in its line."""
    whole = values[0] >= 0 and values[0] % 1 == 0 and values[0] < 1e9
    pose = contents.pose if whole else None
    points = None if pose is None else pose.points(values, predicted=contents.predictions)
    text = f"{where} ({' '.join(f'{v:g}' for v in values):.40})"
    if points is None:
        contents.broken.append(text)
    elif any(abs(v) > _FAR for v in values[1:5]):
        contents.pixels.append(text)
    else:
        contents.highest = max(contents.highest, int(values[0]))
        into.pose(image, int(values[0]), points, where, _corners(values), score=score)


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Corners of the box of a line."""
    x, y, w, h = values[1:5]
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _has_points(values: Sequence[float]) -> bool:
    """Whether a line is a box and key points x, y, visibility: none is a share of 2, as `visible` is."""
    visibilities = set(values[7::3])
    return len(values) > 10 and (len(values) - 5) % 3 == 0 and visibilities <= {0, 1, 2} and 2 in visibilities


def _orphans(contents: _Contents) -> None:
    """Label files of images that do not exist."""
    alone = []
    for labels, images in contents.folders.items():
        files = images.iterdir() if images.is_dir() else ()
        stems = {p.stem for p in files if p.suffix.lower() in ALL_EXTENSIONS}
        for path in files_in(labels, ".txt"):
            if path in contents.files or path.stem in stems or path.name in LISTS:
                continue
            with path.open(encoding="utf-8", errors="replace") as file:
                if any(LINE.fullmatch(line) for line in file):
                    alone.append(name_of(path, contents.into.root))
    fix = "Put the images there, or take the label files out."
    contents.into.note("labels-without-image", "error", alone, "label files belong to no image", fix)


def _notes(contents: _Contents) -> None:
    """Findings on places, files and lines."""
    note = contents.into.note
    what = "places that data.yaml names are not there"
    fix = "Put the images there, or correct data.yaml."
    # Exports name a test part that was never made: train and val are all that training needs.
    spare = all(text.startswith("test:") for text in contents.gone) and {"train", "val"} <= {
        *contents.into.splits
    }
    note("parts-missing", "warning" if spare else "error", contents.gone, what, fix)
    what = "images have no label file, and are taken as showing nothing"
    fix = "Give each a label file, an empty one where it shows nothing; or take the images out."
    whole = sorted({*contents.into.splits} - contents.labeled)
    if whole:
        what += f" (no image of {' and '.join(whole) or 'all'} has one)"
    elif contents.empty:
        what += f" ({contents.empty:,} label files are empty, which is the way to say that)"
    severe = bool(whole or contents.empty)
    note("annotations-missing", "error" if severe else "warning", contents.bare, what, fix)
    what = "lines are neither a box nor a polygon, and were left out"
    fix = "Write: class x y width height."
    if isinstance(contents.into, KeypointBuilder):
        what = "lines are no class, box and keypoints as kpt_shape says, and were left out"
        fix = "Write: class x y width height and x y visibility of each keypoint."
    if isinstance(contents.into, Outlined):
        what, fix = "lines are no class and polygon, and were left out", "Write: class x1 y1 x2 y2 x3 y3 ..."
    note("lines-broken", "error", contents.broken, what, fix)
    what = (
        "lines have six numbers, the last perhaps a confidence, and were left out: predictions are no target"
    )
    note(
        "lines-with-confidence",
        "error",
        contents.scored,
        what,
        "Take the confidence out, if these boxes are true.",
    )
    what = "lines hold a box and keypoints; the box was taken"
    note(
        "keypoints-aside",
        "info",
        contents.posed,
        what,
        "Nothing, if boxes are meant; --task keypoints takes them, if data.yaml has kpt_shape.",
    )
    what = "lines hold a box, or two points, and no polygon; they were left out"
    note("lines-with-boxes", "error", contents.boxes, what, "Export polygons: class x1 y1 x2 y2 x3 y3 ...")
    what = "lines seem to be in pixels, and were left out"
    fix = "Divide by the image's width and height."
    note("lines-in-pixels", "error", contents.pixels, what, fix)
