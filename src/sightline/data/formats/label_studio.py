"""Label Studio's JSON export: tasks with annotations, boxes and polygons in per cent of the picture.

Source: labelstud.io, "Label Studio JSON format of annotated tasks", "RectangleLabels", "PolygonLabels" and
"BrushLabels".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data._magic import ALL_EXTENSIONS
from sightline.data.formats._brush import brushed
from sightline.data.formats._instances import NAN, Gathered, numbers
from sightline.data.formats._json import glance, read_json
from sightline.data.formats._options import ReadOptions
from sightline.data.formats._parts import SPLIT_WORDS, beside
from sightline.data.formats._polygons import Outlined, ring
from sightline.data.formats._written import Item, class_table, items
from sightline.errors import DataError
from sightline.ops.outlines import joined, trace

CARD = FormatCard(
    name="label-studio",
    summary="Label Studio's JSON export of rectangles, or of polygons and brush strokes",
    looks_like="a .json file with a list of tasks with data and annotations; pictures beside or in images/",
    truths=("instances", "outlines"),
    writes=True,
)
_KIND = "rectanglelabels"
_POLYGON, _BRUSH = "polygonlabels", "brushlabels"


@dataclass
class _Found:
    """What is gathered from all tasks."""

    into: Gathered
    open: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def sniff(source: str, options: ReadOptions) -> float:
    """Sure of a JSON file with a list of tasks."""
    del options
    path = Path(source)
    if path.suffix.lower() != ".json" or not path.is_file():
        return 0.0
    text = glance(path)
    tasks = all(f'"{key}"' in text for key in ("data", "annotations", "result"))
    return 0.97 if text.startswith("[") and tasks else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All tasks that are annotated, with the boxes of their first annotation (one marked ground truth first).

    Truth "outlines" asks for polygons and brush strokes instead; each is an object of its own. A picture
    is looked for by its whole path, by its name, and by its name without the upload's prefix, beside the
    file and in `images`. A `split` among a task's data is read.

    Raises:
        DataError: If there is no such file, or it is another export.
    """
    path = Path(source)
    if not path.is_file():
        raise DataError(f"There is no file '{path}'. Expected {CARD.looks_like}.")
    tasks = read_json(path)
    if not isinstance(tasks, list) or not any(isinstance(t, dict) and "annotations" in t for t in tasks):
        raise DataError(
            f"{path}: holds no list of tasks with annotations. Export it as 'JSON', not 'JSON-MIN'."
        )
    kind = Outlined if options.truth == "outlines" else Gathered
    found = _Found(kind(path.parent, whole=100.0, stored=options.exif == "ignore"))
    for n, task in enumerate(tasks):
        _task(n, task, found)
    _notes(found)
    names = found.into.names()
    return found.into.dataset(path, CARD.name, Classes(names), names)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write tasks.json and images/. Class ids, order, and classes without boxes are not held.

    A mask becomes one polygon along the edges of its pixels; parts and holes are joined by cuts of no width.

    Returns:
        What to open: the file.

    Raises:
        DataError: If the folder is not empty, or the truth is no boxes.
    """
    classes = class_table(dataset, folder, CARD.name, masks=True)
    (folder / "images").mkdir(parents=True)
    tasks = []
    for item in items(dataset):
        name = f"images/{item.stem}{item.ending}"
        (folder / name).write_bytes(item.data)
        h, w = item.size
        data = {"image": name, "width": w, "height": h, **({"split": item.split} if item.split else {})}
        done = {"id": item.number + 1, "result": list(_results(item, classes))}
        tasks.append({"id": item.number + 1, "data": data, "annotations": [done]})
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return path


def _results(item: Item, classes: Classes) -> Iterator[dict[str, Any]]:
    """The rectangles or polygons of one picture."""
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
            value = {"points": (joined(trace(crop, x, y)) / (w, h) * 100).tolist(), "closed": True}
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


def _task(n: int, task: Any, found: _Found) -> None:
    """Gather one task."""
    data = task.get("data") if isinstance(task, dict) else None
    address = _address(data)
    if not isinstance(data, dict) or not address:
        found.broken.append(f"task {task.get('id', n) if isinstance(task, dict) else n}")
        return
    where = Path(_path(address)).name
    given = task.get("annotations")
    done = [
        a for a in (given if isinstance(given, list) else [])
        if isinstance(a, dict) and not a.get("was_cancelled") and isinstance(a.get("result"), list)
    ]  # fmt: skip
    if not done:
        found.open.append(where)
        return
    if len(done) > 1:
        found.several.append(where)
    chosen = next((a for a in done if a.get("ground_truth")), done[0])
    results = [r for r in chosen["result"] if isinstance(r, dict)]
    path = beside(found.into.root, _names(address))
    split = SPLIT_WORDS.get(str(data.get("split", "")).lower(), "")
    image = found.into.picture(path, split, _size(results, data))
    for k, result in enumerate(results):
        if isinstance(found.into, Outlined) and result.get("type") in (_POLYGON, _BRUSH):
            _outline(result, f"{where} result {result.get('id', k)}", image, found.into)
        elif result.get("type") == _KIND and not isinstance(found.into, Outlined):
            _boxes(result, where, image, found)
        else:
            found.others[str(result.get("type"))] += 1


def _boxes(result: dict[str, Any], where: str, image: int, found: _Found) -> None:
    """Gather one rectangle, once for each of its labels."""
    value = result.get("value")
    value = value if isinstance(value, dict) else {}
    labels = [v for v in value.get(_KIND) or [] if isinstance(v, str)]
    turns = numbers([value.get("rotation") or 0, result.get("image_rotation") or 0], 2)
    shares = numbers([value.get(k) for k in ("x", "y", "width", "height")], 4)
    if not labels or shares is None:
        found.bare.append(f"{where}: {', '.join(labels) or 'no label'}")
    elif turns != (0.0, 0.0):
        found.turned.append(f"{where}: {', '.join(labels)}")
    else:
        x, y, w, h = shares
        for label in labels:
            found.into.box(image, label.strip(), (x, y, x + w, y + h))


def _outline(result: dict[str, Any], where: str, image: int, into: Outlined) -> None:
    """Gather one polygon or brush stroke, once for each of its labels."""
    value, kind = result.get("value"), str(result.get("type"))
    value = value if isinstance(value, dict) else {}
    labels = [v.strip() for v in value.get(kind) or [] if isinstance(v, str)]
    if not labels:
        into.broken.append(f"{where}: no label")
    elif result.get("image_rotation"):
        into.broken.append(f"{where}: its picture is rotated by {result['image_rotation']} degrees")
    elif kind == _BRUSH:
        size = _size([result], {})
        try:
            part = brushed(value.get("rle"), size)
        except ValueError as error:
            into.broken.append(f"{where}: {error}")
        else:
            for label in labels:
                into.stamp(image, label, part, where, size)
    else:
        given = value.get("points")
        pairs = given if isinstance(given, list) else [None]
        points = ring([v for p in pairs for v in (p if isinstance(p, list) and len(p) == 2 else [None])])
        if points is None:
            into.broken.append(f"{where}: points are no pairs of numbers")
            return
        for label in labels:
            into.polygons(image, label, [points], where)


def _notes(found: _Found) -> None:
    """Findings on tasks and results."""
    note = found.into.note
    what = "tasks are not annotated, and were left out"
    fix = "Annotate them, or leave them out of the export."
    note("tasks-not-annotated", "warning", found.open, what, fix)
    what = "tasks have several annotations, of which one was used"
    note("annotations-several", "warning", found.several, what, "Mark the right one as ground truth.")
    what = "boxes are rotated, and were left out"
    fix = "Draw upright boxes."
    note("boxes-rotated", "error", found.turned, what, fix)
    what = "rectangles have no label or not four numbers, and were left out"
    fix = "Give each box a label."
    note("boxes-missing", "error", found.bare, what, fix)
    what = "tasks have no picture, and were left out"
    fix = "Give each task an image."
    note("entries-broken", "error", found.broken, what, fix)
    shapes = [f"{n:,} {kind}" for kind, n in sorted(found.others.items())]
    if isinstance(found.into, Outlined):
        what = "kinds of results are no labelled polygons or brush strokes, and were left aside"
        note("shapes-not-outlines", "warning", shapes, what, "Draw polygons, if these are meant.")
        return
    what = "kinds of results are no labelled rectangles, and were left aside"
    note("shapes-not-boxes", "warning", shapes, what, "Export rectangles, if these are meant.")


def _address(data: Any) -> str:
    """Where the picture of a task is: its `image`, or the first text that is named like a picture."""
    texts = [v for v in data.values() if isinstance(v, str)] if isinstance(data, dict) else []
    first = data.get("image") if isinstance(data, dict) else None
    for text in ([first] if isinstance(first, str) else []) + texts:
        if Path(_path(text)).suffix.lower() in ALL_EXTENSIONS:
            return text
    return ""


def _path(address: str) -> str:
    """The path of an address: of a local file, an upload, a bucket."""
    if not re.match(r"[a-z][a-z0-9+.-]*://|/data/", address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # such as http://[
        return address
    asked = parse_qs(parts.query).get("d")
    return asked[0] if asked else unquote(parts.path)


def _names(address: str) -> Iterator[str]:
    """Names that a picture may have beside the export, the longest first."""
    path = _path(address).replace("\\", "/").lstrip("/")
    words = path.split("/")
    yield from ("/".join(words[k:]) for k in range(len(words)))
    yield re.sub(r"^[0-9a-f]{8}-", "", words[-1])


def _size(results: list[dict[str, Any]], data: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) as the results or the data say it."""
    pairs = [(r.get("original_height"), r.get("original_width")) for r in results]
    for pair in [*pairs, (data.get("height"), data.get("width"))]:
        h, w = numbers(list(pair), 2) or (NAN, NAN)
        if h >= 1 and w >= 1 and h % 1 == 0 and w % 1 == 0:
            return int(h), int(w)
    return None
