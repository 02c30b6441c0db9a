"""DeepLabCut's tables: CollectedData_SCORER.csv in labeled-data/VIDEO, one row for each frame.

Source: A. Mathis et al., "DeepLabCut: markerless pose estimation of user-defined body parts with deep
learning", Nature Neuroscience 21, 2018; its user guide, "Labeled data". Rows above the frames name the
scorer, perhaps the individuals, the body parts, and x or y; coordinates are in pixels from the top left
corner of the image. An empty cell or NaN is a point that is not labeled.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.walk import files_in
from sightline.data.parsing.deeplabcut import Sheet, is_sheet, read_sheet, skeleton_limbs
from sightline.data.parsing.keypoints import KeypointBuilder, placed
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import folders_in, is_there, name_of
from sightline.data.parsing.writing import Item, class_table, items
from sightline.errors import DataError

CARD = FormatCard(
    name="deeplabcut",
    summary="DeepLabCut's CollectedData CSV: named points of one animal or several, one row for each frame",
    recognized_by="labeled-data/VIDEO/CollectedData_SCORER.csv with the rows scorer, bodyparts and coords",
    target_types=("keypoints",),
    writes=True,
)
ANIMAL, SINGLE = "animal", "single"
_LABELED = "labeled-data"
_SCORER = "sightline"
_MOST = 500


def sniff(source: str, options: ReadOptions) -> float:
    """High for such a table, and for a folder with some, unless another kind of target is requested."""
    if options.target_type not in (None, "keypoints"):
        return 0.0
    return 0.98 if _files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all frames of all videos, with one object for each individual that has a labeled point.

    Several videos are groups: no split parts the frames of one. Points of `individuals` are those of their
    body parts; what an individual has not is not labeled.

    Raises:
        DataError: If there is no such table, one is broken, or several scorers have labeled one video.
    """
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no table of DeepLabCut at '{root}'. Expected {CARD.recognized_by}.")
    sheets = [read_sheet(path) for path in files]
    _of_one_scorer(sheets)
    names = tuple(dict.fromkeys(name for sheet in sheets for name in sheet.bodyparts))
    top = root if root.is_dir() else root.parent
    skeleton = Skeleton.from_names(names, limbs=skeleton_limbs(files[0], names))
    into = KeypointBuilder(top, stored=options.exif == "ignore", skeleton=skeleton)
    groups: list[str] = []
    empty: list[str] = []
    for sheet in sheets:
        _gather(sheet, into, groups, empty)
    classes = Classes((ANIMAL, SINGLE) if any(SINGLE in s.individuals for s in sheets) else (ANIMAL,))
    notes = _messages(sheets, root)
    what = "frames have no labeled point, and are taken as showing nothing"
    fix = "Label them or take them out; nothing, if nothing is in them."
    into.note("frames-not-labeled", "warning", empty, what, fix)
    apart = [f"{s.path.name} lacks {', '.join(n for n in names if n not in s.bodyparts)}"
             for s in sheets if {*s.bodyparts} != {*names}]  # fmt: skip
    what = "tables lack body parts that others have, and these count as not labeled"
    into.note("bodyparts-differ", "warning", apart, what, "Correct the names, or label these points too.")
    several = len({*groups}) > 1
    return into.dataset(root, CARD.name, classes, classes.names, notes, groups if several else None)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write labeled-data/VIDEO/CollectedData_sightline.csv with its images; a video is a group, if there are.

    An image with several objects, or a class beside the first, makes a table with individuals.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the target has no keypoints.
    """
    _can_hold(dataset, folder)
    targets = dataset.targets_as(Keypoints)
    names, most = targets.skeleton.names, int(targets.counts.max()) if len(targets) else 0
    individuals = [f"individual{k + 1}" for k in range(most)] if most > 1 else [""]
    rows: dict[str, list[list[str]]] = {}
    for item in items(dataset):
        video = "images" if dataset.groups is None else _sound(str(dataset.groups[item.number]))
        place = f"{_LABELED}/{video}/{item.stem}{item.ending}"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(item.data)
        rows.setdefault(video, []).append([place, *_cells(item, len(names), len(individuals))])
    for video, cells in rows.items():
        with (folder / _LABELED / video / f"CollectedData_{_SCORER}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([*_header(names, individuals), *cells])
    return folder


def _can_hold(dataset: Dataset, folder: Path) -> None:
    """Refuse other targets, and say what is lost."""
    lost = ["boxes", *["splits"] * any(dataset.splits)]
    classes = () if dataset.classes is None else dataset.classes.names
    lost += [f"the classes {', '.join(classes)}"] * (classes != (ANIMAL,))
    class_table(dataset, folder, CARD.name, ("groups",), kinds=CARD.target_types, lost=lost)


def _header(names: Sequence[str], individuals: Sequence[str]) -> Iterator[list[str]]:
    """The rows above the frames."""
    columns = [(who, name, axis) for who in individuals for name in names for axis in "xy"]
    yield ["scorer", *[_SCORER] * len(columns)]
    if individuals[0]:
        yield ["individuals", *(who for who, _, _ in columns)]
    yield ["bodyparts", *(name for _, name, _ in columns)]
    yield ["coords", *(axis for _, _, axis in columns)]


def _cells(item: Item, joints: int, individuals: int) -> Iterator[str]:
    """x and y of all points of all individuals of one frame."""
    for k in range(individuals):
        points = item.objects[k].points if k < len(item.objects) else None
        for j in range(joints):
            x, y, visibility = points[j] if points is not None else (0.0, 0.0, 0)
            yield from (repr(x), repr(y)) if visibility else ("", "")


def _sound(name: str) -> str:
    """A group as the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in name).strip(" .") or "video"


def _files(root: Path) -> list[Path]:
    """The table that is named, or those of a project, of labeled-data or of a folder of one video."""
    if root.is_file():
        return [root] if is_sheet(root) else []
    folders = [root, *folders_in(root)[:_MOST]]
    folders += [f for folder in folders[1:] if folder.name == _LABELED for f in folders_in(folder)[:_MOST]]
    return [path for f in folders for path in files_in(f, ".csv") if is_sheet(path)]


def _of_one_scorer(sheets: Sequence[Sheet]) -> None:
    """Refuse two tables of one video.

    Raises:
        DataError: Names them.
    """
    by_folder: dict[Path, Sheet] = {}
    for sheet in sheets:
        other = by_folder.setdefault(sheet.path.parent, sheet)
        if other is not sheet:
            raise DataError(
                f"{sheet.path.parent}: two tables label these frames: {other.path.name} (scorer "
                f"{other.scorer}) and {sheet.path.name} (scorer {sheet.scorer}). Name the one that is meant, "
                "or take the other out."
            )


def _gather(sheet: Sheet, into: KeypointBuilder, groups: list[str], empty: list[str]) -> None:
    """Collect the frames and objects of one table."""
    names = into.skeleton.names
    for words, cells in zip(sheet.places, sheet.xy, strict=True):
        image = into.add_image(_frame(sheet.path, words))
        groups += [sheet.path.parent.name] * (image == len(groups))
        where, labeled = name_of(into.paths[image], into.root), False
        for k, who in enumerate(sheet.individuals):
            xy = np.full((len(names), 2), np.nan)
            xy[[names.index(name) for name in sheet.bodyparts]] = cells[k]
            points = placed(xy)
            if points[:, 2].any():
                labeled = True
                key = SINGLE if who == SINGLE else ANIMAL
                into.pose(image, key, points, f"{where} {who}".strip(), stated=False)
        if not labeled:
            empty.append(where)


def _frame(table: Path, words: Sequence[str]) -> Path:
    """The image of a row: from the project's folder, beside the table, or as it is written."""
    inner = "/".join(words)
    places = (table.parent.parent.parent / inner, table.parent / words[-1], table.parent / inner)
    return next((p for p in places if is_there(p)), places[1])


def _messages(sheets: Sequence[Sheet], root: Path) -> list[str]:
    """What was recognized."""
    notes = [f"{name_of(s.path, root if root.is_dir() else root.parent)}: scorer {s.scorer}." for s in sheets]
    several = {who for sheet in sheets for who in sheet.individuals if who != SINGLE} - {""}
    if several:
        notes.append(f"Individuals ({', '.join(sorted(several))}) are objects; which is which is not kept.")
    beside = [p for s in sheets for p in files_in(s.path.parent, ".h5") if p.stem == s.path.stem]
    if beside:
        notes.append(f"Not read: {', '.join(p.name for p in beside)}, a copy of the table.")
    return notes
