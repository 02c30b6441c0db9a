"""Keypoints of COCO files: the skeleton of a category, and the points of its annotations.

Source: cocodataset.org, "Data format", keypoint detection. `keypoints` holds x, y and visibility of each
point; with visibility 0 its coordinates mean nothing. `skeleton` counts points from 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.report import Severity
from sightline.core.skeleton import Pair, Skeleton
from sightline.core.targets.keypoints import VISIBLE
from sightline.data.parsing.json import four, key_in, sound
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.errors import DataError


@dataclass
class CocoPoints:
    """Skeleton of the categories that have one, and what was found in their annotations.

    Attributes:
        target: Category that the user names, or None: all that have keypoints.
        skeleton: That of these categories; None before any was met.
        classes: Their names by id.
    """

    target: str | None = None
    skeleton: Skeleton | None = None
    classes: dict[int, str] = field(default_factory=dict)
    _first: str = ""
    _others: Counter[Any] = field(default_factory=Counter)
    _broken: list[str] = field(default_factory=list)
    _miscounted: list[str] = field(default_factory=list)

    def categories(self, path: Path, entries: Sequence[Any]) -> None:
        """Take the skeleton of the categories of a file.

        Raises:
            DataError: If two have different keypoints, or a name is there twice.
        """
        for entry in entries:
            names = entry.get("keypoints") if isinstance(entry, dict) else None
            if not isinstance(names, list) or not names or self.target not in (None, entry.get("name")):
                continue
            skeleton = _skeleton(path, entry, [str(name) for name in names])
            if self.skeleton is None:
                self.skeleton, self._first = skeleton, str(entry.get("name"))
            elif skeleton.names != self.skeleton.names:
                raise DataError(
                    f"{path}: the categories '{self._first}' and '{entry.get('name')}' have other keypoints. "
                    f"Name the one that is meant: --target {self._first}"
                )
            if isinstance(entry.get("id"), int):
                self.classes[entry["id"]] = str(entry.get("name"))

    def decide(self, annotations: Sequence[Any]) -> bool:
        """Whether all objects are of categories with keypoints, and some points are labeled."""
        entries = [entry for entry in annotations if isinstance(entry, dict)]
        ids = [entry.get("category_id") for entry in entries]
        posed = all(sound(key) and key_in(self.classes, key, "", []) is not None for key in ids)
        return bool(self.classes) and posed and any(_labeled(entry) for entry in entries)

    def add(
        self, entry: dict[str, Any], image: int, where: str, into: KeypointBuilder, texts: list[str],
        more: dict[str, Any],
    ) -> None:  # fmt: skip
        """Gather one object, or note why not."""
        key = key_in(self.classes, entry["category_id"], where, texts)
        if key is None:
            self._others[entry["category_id"]] += 1
            return
        joints = len(into.skeleton)
        points = _triples(entry.get("keypoints"), joints, predicted="score" in more)
        if points is None:
            given = entry["keypoints"]
            count = f"{len(given)} numbers" if hasattr(given, "__len__") else repr(given)[:30]
            self._broken.append(f"{where} ({count}, {joints} keypoints)")
            return
        stated, labeled = entry.get("num_keypoints"), int((points[:, 2] > 0).sum())
        if stated is not None and stated != labeled:
            self._miscounted.append(f"{where} (says {stated!r:.20}, {labeled} are labeled)")
        box = four(entry.get("bbox"), where, texts)
        corners = None if box is None else (box[0], box[1], box[0] + box[2], box[1] + box[3])
        into.pose(image, key, points, where, corners, **{k: v for k, v in more.items() if k != "key"})

    def notes(self, note: Callable[[str, Severity, Sequence[str], str, str], None]) -> None:
        """Findings on annotations."""
        what = "annotations do not have x, y and visibility (0, 1, 2) of each keypoint, and were left out"
        note("keypoints-broken", "error", self._broken, what, "Write three numbers for each keypoint.")
        what = "annotations state another num_keypoints than are labeled; it is not used"
        fix = "Count the keypoints whose visibility is 1 or 2."
        note("num-keypoints-differ", "warning", self._miscounted, what, fix)
        others = [f"category {key} ({n:,})" for key, n in self._others.most_common()]
        what = "categories have no keypoints; their objects were left out"
        fix = "Nothing, if the keypoints are meant; --task detect takes the boxes of all."
        note("categories-without-keypoints", "info", others, what, fix)


def pack_keypoints(entry: dict[str, Any]) -> None:
    """Convert the keypoints of an annotation to an array, which takes less memory than a list."""
    values = entry.get("keypoints")
    if "image_id" in entry and isinstance(values, list) and values and all(map(_is_number, values)):
        entry["keypoints"] = np.array(values, dtype=np.float64)


def category_of(skeleton: Skeleton) -> dict[str, Any]:
    """What a category says of its keypoints; sigmas and mirrored points in fields of their own."""
    content: dict[str, Any] = {
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
    }
    if skeleton.pairs is not None:
        content["flip_idx"] = list(skeleton.permutation)
    if skeleton.sigmas:
        content["sigmas"] = list(skeleton.sigmas)
    return content


def pairs_of(flip: Any, joints: int) -> tuple[Pair, ...] | None:
    """Pairs of a `flip_idx`, which names for each point the one that it is in a mirrored image; None where
    it is no such list."""
    if not isinstance(flip, list) or len(flip) != joints or not all(map(_is_number, flip)):
        return None
    other = [int(v) for v in flip]
    if any(not 0 <= v < joints for v in other) or any(other[v] != j for j, v in enumerate(other)):
        return None
    return tuple((j, v) for j, v in enumerate(other) if j < v)


def _skeleton(path: Path, entry: dict[str, Any], names: list[str]) -> Skeleton:
    """The skeleton of a category.

    Raises:
        DataError: If a name is there twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path}: category '{entry.get('name')}' has the keypoint '{twice[0]}' twice. Rename one."
        )
    drawn, sigmas = entry.get("skeleton"), entry.get("sigmas")
    limbs = [
        (limb[0] - 1, limb[1] - 1)
        for limb in (drawn if isinstance(drawn, list) else ())
        if isinstance(limb, list)
        and len(limb) == 2
        and all(isinstance(i, int) and 1 <= i <= len(names) for i in limb)
    ]
    numbers = sigmas if isinstance(sigmas, list) and all(map(_is_number, sigmas)) else []
    sound_sigmas = numbers if len(numbers) == len(names) and all(s > 0 for s in numbers) else []
    skeleton = Skeleton.from_names(names, limbs=limbs, sigmas=sound_sigmas)
    pairs = pairs_of(entry.get("flip_idx"), len(names))
    return skeleton if pairs is None else replace(skeleton, pairs=pairs)


def _triples(values: Any, joints: int, *, predicted: bool) -> NDArray[np.float64] | None:
    """(J, 3) x, y and visibility; none labeled where there is no list, None where it is something else.

    Of a prediction the third number of a point says nothing (some tools write its confidence there).
    """
    if values is None or (isinstance(values, list) and not values):
        return np.zeros((joints, 3))
    if not isinstance(values, np.ndarray) or len(values) != 3 * joints:
        return None
    points = values.reshape(-1, 3)
    if predicted:
        return np.column_stack([points[:, :2], np.full(joints, VISIBLE)])
    return points.copy() if np.isin(points[:, 2], (0, 1, 2)).all() else None


def _labeled(entry: dict[str, Any]) -> bool:
    values = entry.get("keypoints")
    return isinstance(values, np.ndarray) and bool((values[2::3] > 0).any())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
