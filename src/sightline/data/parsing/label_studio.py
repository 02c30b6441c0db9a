"""Label Studio's tasks: the location of their images, and their annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.brush import brushed
from sightline.data.parsing.csv import read_text
from sightline.data.parsing.drawing import Drawing
from sightline.data.parsing.instances import NAN, numbers
from sightline.data.parsing.polygons import ring
from sightline.data.parsing.splits import SPLIT_WORDS, file_beside
from sightline.errors import DataError

_SAID = ("choices", "taxonomy", "rating", "textarea", "number", "datetime", "relation", "pairwise")
_MIN = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement")


@dataclass(frozen=True)
class Task:
    """One annotated task: its image, size, shapes and image labels, and the order of its keypoints."""

    path: Path
    split: str
    size: tuple[int, int] | None
    shapes: tuple[dict[str, Any], ...]
    choices: tuple[str, ...]
    keypoints: tuple[str, ...] = ()


@dataclass
class Tasks:
    """All tasks that are annotated, and what was found on the way."""

    root: Path
    tasks: list[Task] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def add(self, n: int, task: Any) -> None:
        """Add one task of an export as JSON or JSON-MIN."""
        whole = task if isinstance(task, dict) and "data" in task else _from_min(task)
        data = whole.get("data")
        address = _address(data)
        if not isinstance(data, dict) or not address:
            self.broken.append(f"task {whole.get('id', n)}")
            return
        name = Path(_path(address)).name
        given = whole.get("annotations")
        done = [
            a for a in (given if isinstance(given, list) else [])
            if isinstance(a, dict) and not a.get("was_cancelled") and isinstance(a.get("result"), list)
        ]  # fmt: skip
        if not done:
            self.open.append(name)
            return
        if len(done) > 1:
            self.several.append(name)
        chosen = next((a for a in done if a.get("ground_truth")), done[0])
        results = [r for r in chosen["result"] if isinstance(r, dict)]
        named = {r.get("id") for r in results if labels_of(r)}
        unread_results = [r for r in results if r.get("type") in _SAID]
        # <Rectangle> with <Labels> is two results of one id, of which one has the label.
        drawn = [r for r in results if r.get("type") not in _SAID]
        shapes = [r for r in drawn if labels_of(r) or r.get("id") not in named - {None}]
        choices = [v for r in unread_results for v in _choices(r)]
        self.said += [f"{name}: {r['type']}" for r in unread_results]
        path = file_beside(self.root, _names(address))
        split = SPLIT_WORDS.get(str(data.get("split", "")).lower(), "")
        size = _size(results, data)
        given = data.get("keypoints")
        names = tuple(map(str, given)) if isinstance(given, list) else ()
        labels = tuple(dict.fromkeys(choices))
        self.tasks.append(Task(path, split, size, tuple(shapes), labels, names))


def gather(tasks: list[Task], drawing: Drawing) -> None:
    """Collect all images and shapes; positions are in per cent."""
    for task in tasks:
        image = drawing.into.add_image(task.path, task.split, task.size)
        for k, result in enumerate(task.shapes):
            _shape(result, image, f"{task.path.name} result {result.get('id', k)}", task.size, drawing)


def short_rows(path: Path) -> list[dict[str, Any]]:
    """The entries of an export as CSV, in the form of JSON-MIN: lists and records are JSON in their cells."""
    table = read_text(path)
    if table.broken:
        raise DataError(
            f"{path}: line {table.broken[0]} has another number of cells than the header. Export it again."
        )
    rows = []
    for row in table.rows:
        entry: dict[str, Any] = {}
        for name, cell in zip(table.names, row, strict=True):
            try:
                entry[name] = json.loads(cell) if cell[:1] in ("[", "{") else cell
            except ValueError as error:
                raise DataError(
                    f"{path}: the column '{name}' is no sound JSON ({error}). Export it again."
                ) from error
        rows.append({name: value for name, value in entry.items() if value != ""})
    return rows


def like_min(task: Any) -> bool:
    """Whether an entry is one of JSON-MIN: results under the names of their tags, or who annotated it."""
    if not isinstance(task, dict) or "data" in task or not _address(task):
        return False
    return any(k in task for k in _MIN[:2]) or any(True for v in task.values() for _ in _regions(v))


def _from_min(task: Any) -> dict[str, Any]:
    """A task of JSON-MIN in the form of the long one."""
    if not isinstance(task, dict):
        return {}
    results: list[dict[str, Any]] = []
    for key, value in task.items():
        results += [{"id": f"{key} {k}", "type": _kind(r), "value": r, **r} for k, r in _regions(value)]
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"type": "choices", "value": value})
        elif isinstance(value, str) and key not in (*_MIN, "image", "split") and value != _address(task):
            results.append({"type": "choices", "value": {"choices": [value]}})
    done = [{"result": results}] if any(k in task for k in _MIN[:2]) or results else []
    return {"id": task.get("id"), "data": task, "annotations": done}


def _regions(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The shapes among the results of a tag in JSON-MIN."""
    for k, region in enumerate(value if isinstance(value, list) else ()):
        if isinstance(region, dict) and _kind(region):
            yield k, region


def _kind(region: dict[str, Any]) -> str:
    """The type of a shape of JSON-MIN: the name of its labels."""
    return next((k for k, v in region.items() if k.endswith("labels") and isinstance(v, list)), "")


def labels_of(result: dict[str, Any]) -> list[str]:
    """The classes of a shape, under whatever tag."""
    value = result.get("value")
    labels = value.get(_kind(value)) if isinstance(value, dict) else None
    return [v.strip() for v in labels or () if isinstance(v, str) and v.strip()]


def _choices(result: dict[str, Any]) -> list[str]:
    """What is chosen for a whole image."""
    value = result.get("value")
    whole = isinstance(value, dict) and result["type"] == "choices" and "x" not in value
    choices = value.get("choices") if isinstance(value, dict) and whole else None
    return [v.strip() for v in choices if isinstance(v, str)] if isinstance(choices, list) else []


def _shape(
    result: dict[str, Any], image: int, where: str, size: tuple[int, int] | None, drawing: Drawing
) -> None:
    """Gather one shape, once for each of its labels."""
    value = result.get("value")
    value = value if isinstance(value, dict) else {}
    labels, kind = labels_of(result), str(result.get("type") or "shape")
    rotated = numbers([result.get("image_rotation") or 0], 1) != (0.0,)
    outline = "rle" in value or "points" in value
    size = _size([result], {}) or size
    scale = None if size is None else (size[1] / 100, size[0] / 100)
    if not labels:
        (drawing.broken if outline else drawing.bare)(f"{where}: {kind} without a label")
    elif rotated:
        say = drawing.broken if outline else drawing.tilted
        say(f"{where}: its image is rotated by {result['image_rotation']} degrees")
    elif outline:
        _outline(value, labels, image, where, size, drawing)
    elif "radiusX" in value:
        values = numbers([value.get(k) for k in ("x", "y", "radiusX", "radiusY", "rotation")], 5)
        if values is None:
            drawing.bare(f"{where}: an ellipse without numbers")
            return
        for label in labels:
            drawing.ellipse(image, label, values[:2], values[2:4], values[4], where, scale=scale)
    elif "width" in value and "height" in value:
        values = numbers([value.get(k) for k in ("x", "y", "width", "height")], 4)
        turn = numbers([value.get("rotation") or 0], 1)
        if values is None or turn is None:
            drawing.bare(f"{where}: {', '.join(labels)}")
            return
        for label in labels:
            drawing.turned(image, label, values, turn[0], where, pivot=values[:2], scale=scale)
    else:
        drawing.other(kind.removesuffix("labels") or kind, where)


def _outline(
    value: dict[str, Any], labels: list[str], image: int, where: str, size: tuple[int, int] | None,
    drawing: Drawing,
) -> None:  # fmt: skip
    """Gather one polygon or brush stroke."""
    if "rle" in value:
        try:
            part = brushed(value["rle"], size)
        except ValueError as error:
            drawing.broken(f"{where}: {error}")
            return
        for label in labels:
            drawing.mask(image, label, part, where, size)
        return
    given = value.get("points")
    pairs = given if isinstance(given, list) else [None]
    points = ring([v for p in pairs for v in (p if isinstance(p, list) and len(p) == 2 else [None])])
    if points is None:
        drawing.broken(f"{where}: points are no pairs of numbers")
        return
    for label in labels:
        drawing.polygon(image, label, [points], where)


def _address(data: Any) -> str:
    """Where the image of a task is: its `image`, or the first text that is named like an image."""
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
    query = parse_qs(parts.query).get("d")
    return query[0] if query else unquote(parts.path)


def _names(address: str) -> Iterator[str]:
    """Names that an image may have beside the export, the longest first."""
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
