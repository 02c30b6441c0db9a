"""Label Studio's JSON export: tasks with annotations, boxes and polygons in per cent of the image.

Source: labelstud.io, "Label Studio JSON format of annotated tasks", "RectangleLabels", "PolygonLabels" and
"BrushLabels".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Severity
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.walk import files_in
from sightline.data.parsing.drawing import targets_of
from sightline.data.parsing.instances import InstanceBuilder
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.label_studio import Tasks, gather, like_min, short_rows
from sightline.data.parsing.label_studio_points import mostly_points, point_result, read_points
from sightline.data.parsing.labeled import labeled, of_lists
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.writing import OBJECTS, Item, class_table, items
from sightline.errors import DataError
from sightline.ops.contours import join_polygons, trace

CARD = FormatCard(
    name="label-studio",
    summary="Label Studio's JSON, JSON-MIN or CSV export: boxes, polygons, strokes, keypoints or choices",
    recognized_by="a .json file with a list of tasks with data and annotations; images beside or in images/",
    target_types=("instances", "outlines", "label", "keypoints"),
    writes=True,
)
_KIND = "rectanglelabels"
_POLYGON = "polygonlabels"


_MAX_LISTED = 200


def sniff(source: str, options: ReadOptions) -> float:
    """High for a JSON file with a list of tasks, and for a folder with one such file."""
    del options
    return 0.98 if _file(Path(source)) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all annotated tasks, with the shapes of their first annotation (one marked ground truth first).

    Keypoints are taken where no other shapes outnumber them.
    Target "outlines" asks for polygons and brush strokes instead; each is an object of its own. Target
    "label" asks for the choices of each image; they are taken too where nothing is drawn. An image is
    looked for by its whole path, by its name, and by its name without the upload's prefix, beside the
    file and in `images`. A `split` among a task's data is read.

    Raises:
        DataError: If there is no such file, or it is another export.
    """
    path = _file(Path(source)) or Path(source)
    if not path.is_file():
        raise DataError(f"There is no file '{path}'. Expected {CARD.recognized_by}.")
    given = short_rows(path) if path.suffix.lower() == ".csv" else read_json(path)
    if not isinstance(given, list) or not any(_like_task(task) for task in given):
        raise DataError(
            f"{path}: holds no list of tasks with annotations. Export it as 'JSON' or 'JSON-MIN'."
        )
    tasks = Tasks(path.parent)
    for n, task in enumerate(given):
        tasks.add(n, task)
    drawings = any(task.shapes for task in tasks.tasks)
    if options.target_type == "label" or (options.target_type is None and not drawings and _chosen(tasks)):
        return _labels(Path(source), tasks)
    posed = options.target_type is None and mostly_points(tasks.tasks)
    if posed or options.target_type == Keypoints.kind:
        return _with_notes(read_points(Path(source), path.parent, CARD.name, tasks.tasks, options), tasks)
    things = targets_of(partial(gather, tasks.tasks), path.parent, options, whole=100.0)
    _notes(tasks, things.into.note)
    names = things.into.names()
    notes = things.messages
    if tasks.said:
        notes.append(f"{len(tasks.said):,} results are no shapes ({tasks.said[0]}), and were left aside.")
    return things.into.dataset(Path(source), CARD.name, Classes(names), names, notes)


def _labels(source: Path, tasks: Tasks) -> Dataset:
    """The choices of each image."""
    if not _chosen(tasks):
        raise DataError(f"{source}: no task has a choice for its whole image. --task detect takes its boxes.")
    rows = tasks.tasks
    root = source if source.is_dir() else source.parent
    target_type = of_lists([task.choices for task in rows])
    dataset = labeled(source, root, CARD.name, [t.path for t in rows], [t.split for t in rows], target_type)
    return _with_notes(dataset, tasks)


def _with_notes(dataset: Dataset, tasks: Tasks) -> Dataset:
    """The data set with findings on tasks."""
    into = InstanceBuilder(tasks.root)
    _notes(tasks, into.note)
    return replace(dataset, read_findings=(*dataset.read_findings, *into.read_findings))


def _chosen(tasks: Tasks) -> bool:
    return any(task.choices for task in tasks.tasks)


def _like_task(task: Any) -> bool:
    """Whether an entry is a task of an export."""
    return like_min(task) or (isinstance(task, dict) and "annotations" in task and "data" in task)


def _file(root: Path) -> Path | None:
    """The export that is meant: a file that looks like one, or the only one of a folder."""
    if root.is_dir():
        exports = [path for path in files_in(root, ".json")[:_MAX_LISTED] if _like_export(path)]
        return exports[0] if len(exports) == 1 else None
    return (
        root if root.suffix.lower() in (".json", ".csv") and root.is_file() and _like_export(root) else None
    )


def _like_export(path: Path) -> bool:
    """Whether a file starts like an export, as JSON or JSON-MIN."""
    text = glance(path)
    if path.suffix.lower() == ".csv":  # where choices are the only results, it is a table as any other
        return re.search(r'\[\{.*?""\w*labels""\s*:\s*\[', text) is not None
    long = all(f'"{key}"' in text for key in ("data", "annotations", "result"))
    short = re.search(r'"\w*labels"\s*:\s*\[|"annotation_id"\s*:|"annotator"\s*:', text)
    return text.startswith("[") and (long or (short is not None and '"annotations"' not in text))


def write(dataset: Dataset, folder: Path) -> Path:
    """Write tasks.json and images/. Class ids, order, and classes without boxes are not held.

    A mask becomes one polygon along the edges of its pixels; parts and holes are joined by cuts of no width.

    Returns:
        What to open: the file.

    Raises:
        DataError: If the folder is not empty, or the target is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, kinds=OBJECTS)
    (folder / "images").mkdir(parents=True)
    tasks = []
    names = dataset.targets.skeleton.names if isinstance(dataset.targets, Keypoints) else ()
    for item in items(dataset):
        name = f"images/{item.stem}{item.ending}"
        (folder / name).write_bytes(item.data)
        h, w = item.size
        data = {"image": name, "width": w, "height": h, **({"split": item.split} if item.split else {})}
        data |= {"keypoints": list(names)} if names else {}
        done = {"id": item.number + 1, "result": [*_results(item, classes), *_points(item, names)]}
        tasks.append({"id": item.number + 1, "data": data, "annotations": [done]})
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return path


def _results(item: Item, classes: Classes) -> Iterator[dict[str, Any]]:
    """The rectangles or polygons of one image."""
    h, w = item.size
    for k, thing in enumerate(item.objects):
        x1, y1, x2, y2 = thing.corners
        kind = _KIND
        value = {
            "x": x1 / w * 100,
            "y": y1 / h * 100,
            "width": (x2 - x1) / w * 100,
            "height": (y2 - y1) / h * 100,
            "rotation": 0,
        }
        if thing.mask is not None:
            x, y, crop = thing.mask
            kind = _POLYGON
            value = {"points": (join_polygons(trace(crop, x, y)) / (w, h) * 100).tolist(), "closed": True}
        yield {
            "id": f"{item.number}-{k}",
            "type": kind,
            "from_name": "label",
            "to_name": "image",
            "original_width": w,
            "original_height": h,
            "image_rotation": 0,
            "value": {**value, kind: [classes.names[thing.label]]},
        }


def _points(item: Item, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The labeled points of the objects of one image."""
    for k, thing in enumerate(item.objects):
        for j, (x, y, visibility) in enumerate(thing.points or ()):
            if visibility:
                yield point_result(item.number, k, j, names[j], x, y, item.size)


def _notes(tasks: Tasks, note: Callable[[str, Severity, Sequence[str], str, str], None]) -> None:
    """Findings on tasks."""
    what = "tasks are not annotated, and were left out"
    fix = "Annotate them, or leave them out of the export."
    note("tasks-not-annotated", "warning", tasks.open, what, fix)
    what = "tasks have several annotations, of which one was used"
    note("annotations-several", "warning", tasks.several, what, "Mark the right one as ground truth.")
    what = "tasks have no image, and were left out"
    fix = "Give each task an image."
    note("entries-broken", "error", tasks.broken, what, fix)
