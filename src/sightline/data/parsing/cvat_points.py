"""Keypoints of CVAT for images 1.1: skeletons, and points that are drawn one by one or as a list.

Source: docs.cvat.ai, "XML annotation format". A <skeleton> has a <points> element for each of its points,
which is absent where `outside` is 1, and hidden where `occluded` is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import HIDDEN, VISIBLE
from sightline.data.parsing.columns import SINGLE_CLASS
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.xml import number_of, size_of
from sightline.errors import DataError

Point = tuple[float, float, int]
Place = Callable[[Element, Path], Path]
_POSED = ("skeleton", "points")
_DRAWN = ("box", "polygon", "polyline", "mask", "cuboid", "ellipse")


def only_points(images: Sequence[Element]) -> bool:
    """Whether skeletons or points are drawn, and nothing else."""
    tags = {shape.tag for image in images for shape in image}
    return bool(tags & {*_POSED}) and not tags & {*_DRAWN}


def read_points(
    source: Path, root: Path, format: str, tree: Element, options: ReadOptions, place: Place,
    split: Callable[[Element], str],
) -> Dataset:  # fmt: skip
    """The data set of all skeletons, and of the points of each group.

    Raises:
        DataError: If there are none, or lists of points have different lengths.
    """
    images = list(tree.iter("image"))
    objects = [_objects(image) for image in images]
    drawn = [name for people in objects for _, points in people for name in points]
    if not drawn:
        raise DataError(f"{source}: no image has a skeleton or points. --task detect takes its boxes.")
    table = [label.findtext("name") or "" for label in tree.iter("label") if label.find("parent") is not None]
    names = tuple(dict.fromkeys([name for name in table if name in {*drawn}] + drawn))
    into = KeypointBuilder(root, stored=options.exif == "ignore", skeleton=Skeleton.from_names(names))
    others: list[str] = []
    for image, people in zip(images, objects, strict=True):
        size = size_of(image.get("height"), image.get("width"))
        number = into.add_image(place(image, root), split(image), size)
        others += [f"{image.get('name', '')}: {shape.tag}" for shape in image if shape.tag in _DRAWN]
        for n, (label, points) in enumerate(people, 1):
            values = np.zeros((len(names), 3))
            for name, point in points.items():
                values[names.index(name)] = point
            into.pose(number, label, values, f"{image.get('name', '')} object {n}")
    what = "shapes are neither skeletons nor points, and were left out"
    into.note("shapes-not-keypoints", "error", others, what, "Take them out, or name another task.")
    keys = into.names()
    return into.dataset(source, format, Classes(keys), keys)


def _objects(image: Element) -> list[tuple[str, dict[str, Point]]]:
    """Class and labeled points, by name, of each object of an image.

    Raises:
        DataError: If the same point is there twice in an object.
    """
    people = []
    for skeleton in image.findall("skeleton"):
        parts = {part.get("label", ""): p for part in skeleton for p in _points(part)[:1] if p is not None}
        people.append((skeleton.get("label", ""), parts))
    groups: dict[str, dict[str, Point]] = {}
    for shape in image.findall("points"):
        name, points = shape.get("label", ""), _points(shape)
        if len(points) > 1:
            people.append((name, {f"point {j}": p for j, p in enumerate(points, 1) if p is not None}))
            continue
        group = groups.setdefault(shape.get("group_id", ""), {})
        if name in group:
            raise DataError(
                f"image {image.get('name', '')}: has the point '{name}' twice. Draw skeletons, or give the "
                "points of each object a group of their own."
            )
        if points and points[0] is not None:
            group[name] = points[0]
    return [*people, *((SINGLE_CLASS, points) for points in groups.values())]


def _points(shape: Element) -> list[Point | None]:
    """x, y and visibility of each point of an element; None where it is outside or no pair of numbers."""
    points: list[Point | None] = []
    for text in filter(None, shape.get("points", "").split(";")):
        pair = [number_of(v) for v in text.split(",")]
        labeled = shape.get("outside") != "1" and len(pair) == 2 and np.isfinite(pair).all()
        visibility = HIDDEN if shape.get("occluded") == "1" else VISIBLE
        points.append((pair[0], pair[1], visibility) if labeled else None)
    return points
