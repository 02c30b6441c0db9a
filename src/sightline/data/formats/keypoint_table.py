"""Tables of keypoints: one row for each object, with columns x and y of each point; or one for each point."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.columns import CORNERS
from sightline.data.parsing.csv import header, read_text
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.pixel_cells import pixel_column, pixel_table
from sightline.data.parsing.point_columns import like_points
from sightline.data.parsing.point_rows import PoseTable, gather, pose_table
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.data.parsing.writing import Item, class_table, items, number, shortest
from sightline.errors import DataError

CARD = FormatCard(
    name="keypoint-table",
    summary="a CSV or TSV table of keypoints: columns x and y of each point, or one row for each point",
    recognized_by="keypoints.csv with path, nose_x, nose_y, tail_x, tail_y (or x1, y1, ...); or with path or "
    "frame, node, x, y",
    target_types=("keypoints",),
    writes=True,
)


def sniff(source: str, options: ReadOptions) -> float:
    """High for a table with two pairs of columns x and y, unless another target or column is requested."""
    if options.target_type not in (None, "keypoints") or options.target is not None:
        return 0.0
    return 0.975 if _files(Path(source), options) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all objects of a table, or of one table for each split.

    Of a table without paths, images are found by the number of their frame; or a column `Image` holds their
    pixels, as numbers between spaces.

    Raises:
        DataError: If there is no such table, its points differ from those of another, or no image is there.
    """
    root = Path(source)
    files = _files(root, options) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There is no table of keypoints at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    top = root if root.is_dir() else root.parent
    tables: list[tuple[Path, str, PoseTable]] = []
    for path, split in chosen:
        table = read_text(path)
        if len(chosen) == 1 and (pixels := pixel_column(table)) is not None:
            return pixel_table(path, table, pixels, CARD.name)
        tables.append((path, split, pose_table(path, table)))
    names = tables[0][2].names
    apart = next((path for path, _, table in tables if table.names != names), None)
    if apart is not None:
        raise DataError(
            f"{apart}: has other keypoints than {tables[0][0].name}. Give all tables the same columns."
        )
    into = KeypointBuilder(top, stored=options.exif == "ignore", skeleton=Skeleton.from_names(names))
    groups: list[str] = []
    for path, split, content in tables:
        gather(path, split, content, into, groups)
        notes += [f"{path.name}: {message}" for message in content.messages]
    keys = into.names()
    return into.dataset(root, CARD.name, Classes(keys), keys, notes, groups if any(groups) else None)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write keypoints.csv, with x, y and visibility of each point, box, class and split, and images/.

    Returns:
        What to open: the table.

    Raises:
        DataError: If the folder is not empty, or the target has no keypoints.
    """
    classes = class_table(dataset, folder, CARD.name, ("groups", "hidden"), kinds=CARD.target_types)
    targets = dataset.targets_as(Keypoints)
    (folder / "images").mkdir(parents=True)
    more = [name for name, values in (("split", any(dataset.splits)), ("group", dataset.groups is not None))
            if values]  # fmt: skip
    axes = [f"{name}_{axis}" for name in targets.skeleton.names for axis in ("x", "y", "visible")]
    with (folder / "keypoints.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "width", "height", "class", *CORNERS[0], *axes, *more])
        for item in items(dataset):
            name = f"images/{item.stem}{item.ending}"
            (folder / name).write_bytes(item.data)
            group = "" if dataset.groups is None else str(dataset.groups[item.number])
            cells = {"split": item.split, "group": group}
            for row in _rows(item, classes, len(axes)):
                writer.writerow([name, item.size[1], item.size[0], *row, *(cells[column] for column in more)])
    return folder / "keypoints.csv"


def _rows(item: Item, classes: Classes, columns: int) -> Iterator[list[str]]:
    """Class, corners and points of each object of an image; empty cells where it has none."""
    if not item.objects:
        yield [""] * (1 + len(CORNERS[0]) + columns)
    for thing in item.objects:
        corners = [number(shortest(v)) for v in thing.corners]
        points = [
            cell
            for x, y, visibility in thing.points or ()
            for cell in ((number(x), number(y), str(visibility)) if visibility else ("", "", "0"))
        ]
        yield [classes.names[thing.label], *corners, *points]


def _files(root: Path, options: ReadOptions) -> list[Path]:
    """Tables of keypoints: the one named, or those in a folder and in folders named after splits."""
    requested = options.target_type == Keypoints.kind

    def like(path: Path) -> bool:
        names = header(path)
        shown = any(Path(name).suffix.lower() in ALL_EXTENSIONS for name in names)
        return not shown and like_points(names, requested=requested)

    return annotation_files(root, SPLIT_WORDS, (".csv", ".tsv"), like)
