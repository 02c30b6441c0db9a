"""Keypoints of Label Studio: single points in per cent of the image, whose parent is the box of their object.

Source: labelstud.io, "KeyPointLabels"; a point that is drawn within a box has the id of it as `parentID`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import VISIBLE
from sightline.data.parsing.columns import SINGLE_CLASS
from sightline.data.parsing.instances import numbers
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.label_studio import Task, labels_of
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

_KIND = "keypointlabels"


@dataclass
class _Person:
    """An object: its class, its box in per cent, and its points by name."""

    label: str = SINGLE_CLASS
    corners: tuple[float, ...] | None = None
    points: dict[str, tuple[float, float]] = field(default_factory=dict)


def has_points(tasks: Sequence[Task]) -> bool:
    """Whether a task has a labeled point."""
    return any(_is_point(shape) for task in tasks for shape in task.shapes)


def mostly_points(tasks: Sequence[Task]) -> bool:
    """Whether no other shapes outnumber the labeled points: a few points among boxes are a slip."""
    shapes = [_is_point(shape) for task in tasks for shape in task.shapes]
    return any(shapes) and 2 * sum(shapes) >= len(shapes)


def read_points(
    source: Path, root: Path, format: str, tasks: Sequence[Task], options: ReadOptions
) -> Dataset:
    """The data set of all objects with points; findings on points that belong to none are in it.

    Raises:
        DataError: If no task has a point.
    """
    if not has_points(tasks):
        raise DataError(f"{source}: no task has keypoints (KeyPointLabels). --task detect takes its boxes.")
    drawn = [v for task in tasks for shape in task.shapes if _is_point(shape) for v in labels_of(shape)]
    names = tuple(dict.fromkeys([*(name for task in tasks for name in task.keypoints), *drawn]))
    into = KeypointBuilder(root, 100.0, stored=options.exif == "ignore", skeleton=Skeleton.from_names(names))
    unclear: list[str] = []
    twice: list[str] = []
    others: list[str] = []
    for task in tasks:
        image = into.add_image(task.path, task.split, task.size)
        for n, person in enumerate(_people(task, unclear, twice, others), 1):
            points = np.zeros((len(names), 3))
            for name, xy in person.points.items():
                points[names.index(name)] = (*xy, VISIBLE)
            into.pose(image, person.label, points, f"{task.path.name} object {n}", person.corners)
    what = "keypoints belong to no object, as several have one name, and were left out"
    fix = "Draw a box around each object, and make it the parent of its points."
    into.note("keypoints-without-object", "error", unclear, what, fix)
    what = "keypoints are there twice in one object; the first was taken"
    into.note("keypoints-twice", "error", twice, what, "Take one of them out.")
    what = "shapes are neither keypoints nor upright boxes, and were left out"
    into.note("shapes-not-keypoints", "error", others, what, "Take them out, or name another task.")
    keys = into.names()
    notes = ["Points are visible, as Label Studio does not say which are hidden."]
    return into.dataset(source, format, Classes(keys), keys, notes)


def point_result(
    item: int, k: int, j: int, name: str, x: float, y: float, size: tuple[int, int]
) -> dict[str, Any]:
    """The result of point j of object k, whose box is its parent; x and y in pixels."""
    h, w = size
    return {
        "id": f"{item}-{k}-{j}", "parentID": f"{item}-{k}", "type": _KIND, "from_name": "keypoint",
        "to_name": "image", "original_width": w, "original_height": h, "image_rotation": 0,
        "value": {"x": x / w * 100, "y": y / h * 100, "width": 0.5, _KIND: [name]},
    }  # fmt: skip


def _people(task: Task, unclear: list[str], twice: list[str], others: list[str]) -> list[_Person]:
    """The objects of an image."""
    boxes: dict[str, _Person] = {}
    for shape in task.shapes:
        if _is_point(shape):
            continue
        value, labels = shape.get("value", {}), labels_of(shape)
        box = numbers([value.get(k) for k in ("x", "y", "width", "height")], 4) if labels else None
        if box is None or value.get("rotation") or shape.get("image_rotation"):
            others.append(f"{task.path.name}: {shape.get('type')}")
            continue
        x, y, w, h = box
        boxes[str(shape.get("id"))] = _Person(labels[0], (x, y, x + w, y + h))
    points = [shape for shape in task.shapes if _is_point(shape)]
    lone = [shape for shape in points if str(shape.get("parentID")) not in boxes]
    rest = next(iter(boxes.values())) if len(boxes) == 1 else _Person()
    names = [name for shape in lone for name in labels_of(shape)]
    clear = len(names) == len({*names}) and len(boxes) < 2
    for shape in points:
        parent = boxes.get(str(shape.get("parentID")), rest if clear else None)
        xy = numbers([shape["value"].get(k) for k in ("x", "y")], 2)
        for name in labels_of(shape):
            if parent is None or xy is None or shape.get("image_rotation"):
                unclear.append(f"{task.path.name}: {name}")
            elif name in parent.points:
                twice.append(f"{task.path.name}: {name}")
            else:
                parent.points[name] = (xy[0], xy[1])
    return [*boxes.values(), *([rest] if rest.points and rest not in boxes.values() else [])]


def _is_point(shape: dict[str, Any]) -> bool:
    """Whether a result is one point with a label."""
    value = shape.get("value")
    return isinstance(value, dict) and isinstance(value.get(_KIND), list)
