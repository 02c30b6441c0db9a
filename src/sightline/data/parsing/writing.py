"""Writing of data sets with boxes or masks: images under valid names, and their objects."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from sightline.console import say
from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets import target_type
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import HIDDEN, Keypoints
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.content import content
from sightline.errors import DataError
from sightline.ops.contours import Part

_SOUND = re.compile(r"[^\s./\\:*?\"<>|\x00-\x1f]([^/\\:*?\"<>|\x00-\x1f]*[^\s./\\:*?\"<>|\x00-\x1f])?")
_LOSSES = {
    "scores": "scores",
    "areas": "areas of objects",
    "crowd": "which boxes stand for a crowd",
    "difficult": "which objects are difficult",
}
BOXES_AND_MASKS = (Instances.kind, InstanceMasks.kind)
OBJECTS = (*BOXES_AND_MASKS, Keypoints.kind)
Point = tuple[float, float, int]
"""x and y in pixels, and visibility (0, 1 or 2)."""


@dataclass(frozen=True)
class Object:
    """One object: corners x1, y1, x2, y2 in pixels, class index, and what else is known of it.

    A prediction has a `score`, which a target has not. `points` are its keypoints, if it has such.
    """

    corners: tuple[float, float, float, float]
    label: int
    area: float | None
    crowd: bool
    difficult: bool
    mask: Part | None = None
    score: float | None = None
    points: tuple[Point, ...] | None = None


@dataclass(frozen=True)
class Item:
    """One image to write.

    Attributes:
        number: Its place in the data set.
        stem: Name without ending; no other image has it.
        data: Bytes of the file.
        ending: Ending of the file, with its point.
        split: train, val, test or "".
        size: (height, width) in pixels.
        objects: What is in it.
    """

    number: int
    stem: str
    data: bytes
    ending: str
    split: str
    size: tuple[int, int]
    objects: list[Object]


def class_table(
    dataset: Dataset,
    folder: Path,
    format: str,
    holds: tuple[str, ...] = (),
    *,
    kinds: tuple[str, ...] = (Instances.kind,),
    lost: Sequence[str] = (),
) -> Classes:
    """Class table of a data set, if it can be written to the folder; reports what the format cannot store.

    Args:
        dataset: What is written.
        folder: Where.
        format: Name of the format, for messages.
        holds: Which of scores, areas, crowd, difficult, groups, hidden (points) and skeleton it can hold.
        kinds: Which kinds of targets it can hold: instances, outlines, keypoints.
        lost: What else it cannot hold of this data set, in words.

    Raises:
        DataError: If the folder is not empty, targets are of another kind, or class names cannot be told
            apart.
    """
    outlined = isinstance(dataset.targets, InstanceMasks)
    if dataset.target_type not in kinds or dataset.classes is None:
        needs = " or ".join(target_type(kind).needs for kind in kinds)
        raise DataError(
            f"The format '{format}' holds {needs}, with classes, not {dataset.targets.description}."
        )
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    names = dataset.classes.names
    odd = [n for n in names if n != n.strip() or not n or not n.isprintable() or names.count(n) > 1]
    if odd:
        raise DataError(
            f"Class names are written with neither spaces around nor control characters, each once. Rename "
            f"{', '.join(map(repr, odd[:5]))}."
        )
    lost = [
        *lost,
        *(
            text
            for name, text in _LOSSES.items()
            if name not in holds
            and getattr(dataset.targets, name) is not None
            and not (outlined and name == "areas" and _own_areas(dataset.targets_as(InstanceMasks)))
        ),
    ]
    if isinstance(dataset.targets, Keypoints):
        lost += _lost_of_points(dataset.targets, holds)
    bare = sum(not part[2].any() for part in dataset.targets_as(InstanceMasks).bitmaps) if outlined else 0
    if bare:
        lost.append(f"{bare:,} objects of which no pixel is seen")
    if dataset.groups is not None and "groups" not in holds:
        lost.append("groups")
    if lost:
        say(f"The format '{format}' cannot hold {', '.join(lost)}; not written to {folder}.")
    return dataset.classes


def _lost_of_points(targets: Keypoints, holds: Sequence[str]) -> list[str]:
    """What a format cannot hold of keypoints, in words."""
    hidden, skeleton = int((targets.visibility == HIDDEN).sum()), targets.skeleton
    lost = []
    if hidden and "hidden" not in holds:
        lost.append(f"that {hidden:,} points are hidden (they become visible)")
    if "skeleton" in holds:
        return lost
    named = Skeleton.from_names(skeleton.names)
    lost += ["limbs of the skeleton"] * bool(skeleton.limbs)
    lost += ["sigmas of the skeleton"] * (skeleton.sigmas != named.sigmas)
    return lost + ["pairs of left and right"] * (skeleton.pairs != named.pairs)


def _own_areas(targets: InstanceMasks) -> bool:
    """Whether areas are those of the masks, so that they need not be said."""
    return bool(torch.equal(targets.area(), targets.bitmaps.areas()))


def all_split(dataset: Dataset) -> bool:
    """Whether every image has a split, rather than none.

    Raises:
        DataError: If some have one and others have not.
    """
    given = sum(1 for s in dataset.splits if s)
    if 0 < given < len(dataset):
        raise DataError(f"{len(dataset) - given} items have no split, others have. Give each one or none.")
    return given > 0


def items(dataset: Dataset) -> Iterator[Item]:
    """All images with their objects, in order; objects with a mask that has no pixel are left out."""
    names = stems(dataset)
    for i, (size, objects) in enumerate(objects_of(dataset.targets_as(Instances))):
        data, ending = content(dataset.pixels, i)
        drawn = [thing for thing in objects if thing.mask is None or thing.mask[2].any()]
        yield Item(i, names[i], data, ending, str(dataset.splits[i]), size, drawn)


def objects_of(targets: Instances) -> Iterator[tuple[tuple[int, int], list[Object]]]:
    """(height, width) and the objects of each image, in order."""
    boxes, labels = targets.boxes.double().tolist(), targets.labels.tolist()
    areas, crowd, difficult, scores = (
        None if value is None else value.tolist()
        for value in (targets.areas, targets.crowd, targets.difficult, targets.scores)
    )
    masks: Iterator[Part | None] = iter(targets.masks or itertools.repeat(None, len(labels)))
    points = _points_of(targets)
    start = 0
    for count, (height, width) in zip(targets.counts.tolist(), targets.sizes.tolist(), strict=True):
        yield (
            (height, width),
            [
                Object(
                    tuple(boxes[r]),
                    labels[r],
                    None if areas is None else areas[r],
                    crowd is not None and crowd[r],
                    difficult is not None and difficult[r],
                    mask,
                    None if scores is None else scores[r],
                    None if points is None else points[r],
                )
                for r, mask in zip(range(start, start + count), masks, strict=False)
            ],
        )
        start += count


def _points_of(targets: Instances) -> list[tuple[Point, ...]] | None:
    """The keypoints of each object, or None where there are none."""
    if not isinstance(targets, Keypoints):
        return None
    rows = zip(targets.points.tolist(), targets.visibility.tolist(), strict=True)
    return [
        tuple((shortest(x), shortest(y), v) for (x, y), v in zip(xy, visible, strict=True))
        for xy, visible in rows
    ]


def number(value: float) -> str:
    """A number as text, without loss."""
    return str(int(value)) if value == int(value) else repr(value)


def shortest(value: float) -> float:
    """Shortest decimal number that identifies a float32."""
    return float(str(np.float32(value)))


def stems(dataset: Dataset) -> list[str]:
    """Names for the images, from those that they had, so that each can be found again: the file's;
    where two share one, the folders before it; then the ending too. Numbers if even these are not sound."""
    paths = [PurePosixPath(name) for name in dataset.ids]
    bare = [path.with_suffix("") if path.suffix.lower() in ALL_EXTENSIONS else path for path in paths]
    tries = (
        [path.name for path in bare],
        ["_".join(path.parts) for path in bare],
        ["_".join([*path.parts[:-1], path.name.replace(".", "_")]) for path in paths],
    )
    for candidate in tries:
        if all(_SOUND.fullmatch(s) for s in candidate) and len({s.casefold() for s in candidate}) == len(
            candidate
        ):
            return candidate
    return [f"{i:06d}" for i in range(len(paths))]
