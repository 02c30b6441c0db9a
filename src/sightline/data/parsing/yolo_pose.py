"""Keypoints in YOLO text: the skeleton of data.yaml, and the points of a line.

Each line is `class x y width height` and then x and y of each point, as shares of the width and height of
the image, perhaps with its visibility (0, 1, 2). data.yaml has `kpt_shape: [points, 2 or 3]`, perhaps
`flip_idx` and `kpt_names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.skeleton import COCO_SIGMAS, Skeleton
from sightline.data.parsing.coco_keypoints import pairs_of
from sightline.errors import DataError

_BOX = 5
"""Numbers of a line before its points."""


@dataclass(frozen=True)
class PoseLines:
    """What the lines hold.

    Attributes:
        skeleton: Of all objects.
        columns: Numbers of a point: 2 or 3.
        messages: What was found out.
    """

    skeleton: Skeleton
    columns: int
    messages: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        """How many are in a line."""
        return _BOX + len(self.skeleton) * self.columns

    def points(self, values: Sequence[float], *, predicted: bool = False) -> NDArray[np.float64] | None:
        """(J, 3) x, y and visibility of the numbers of a line; None where there are more or fewer.

        Without visibility, all points are visible, except those at (0, 0), which are missing. Of a prediction
        the third number of a point is its confidence, and not read.
        """
        if len(values) != self.numbers:
            return None
        points = np.array(values[_BOX:], dtype=np.float64).reshape(-1, self.columns)
        if self.columns == 3 and not predicted:
            return points if np.isin(points[:, 2], (0, 1, 2)).all() else None
        points = points[:, :2]
        return np.column_stack([points, np.where((points == 0).all(1), 0, 2)])


def pose_lines(path: Path, config: Mapping[str, Any]) -> PoseLines | None:
    """What data.yaml says of the points; None where it names none.

    Raises:
        DataError: If `kpt_shape`, `flip_idx` or `kpt_names` contradict each other.
    """
    shape = config.get("kpt_shape")
    if shape is None:
        return None
    numbers = _whole(shape)
    if numbers is None or len(numbers) != 2 or numbers[0] < 1 or numbers[1] not in (2, 3):
        raise DataError(f"{path}: kpt_shape is {shape!r:.40}. Expected [number of points, 2 or 3].")
    joints, columns = numbers
    names, messages = _names(path, config.get("kpt_names"), joints)
    skeleton = Skeleton.from_names(names, *_drawn(config, joints))
    flip = config.get("flip_idx")
    if flip is not None and flip != []:
        indices = _whole(flip)
        pairs = pairs_of(indices, joints)
        if pairs is None:
            raise DataError(
                f"{path}: flip_idx is {flip!r:.80}. Expected {joints} indices from 0, of each point its "
                "counterpart in a mirrored image, whose counterpart is the point itself."
            )
        skeleton = replace(skeleton, pairs=pairs)
        messages.append("Left and right are those of flip_idx.")
        if not config.get("kpt_names") and _like_coco(pairs, joints):
            skeleton = Skeleton.from_names(tuple(COCO_SIGMAS))
            messages[0] = "17 keypoints with the flip_idx of COCO's: they are called by COCO's names."
    if columns == 2:
        messages.append("Keypoints have no visibility: all are visible, and those at (0, 0) not labeled.")
    return PoseLines(skeleton, columns, tuple(messages))


def pose_config(skeleton: Skeleton, classes: Sequence[int]) -> dict[str, Any]:
    """What data.yaml says of the points of a skeleton; names for each class id. `skeleton` and `sigmas` are
    ours: other tools leave them aside.
    """
    content: dict[str, Any] = {"kpt_shape": [len(skeleton), 3]}
    if skeleton.limbs:
        content["skeleton"] = [list(limb) for limb in skeleton.limbs]
    if skeleton.sigmas:
        content["sigmas"] = list(skeleton.sigmas)
    if skeleton.pairs is not None:
        content["flip_idx"] = list(skeleton.permutation)
    return {**content, "kpt_names": {number: list(skeleton.names) for number in classes}}


def _names(path: Path, given: Any, joints: int) -> tuple[tuple[str, ...], list[str]]:
    """Names of the points, one list or one for each class; by number where there are none."""
    lists = list(given.values()) if isinstance(given, dict) else [given] * (given is not None)
    if not lists:
        names = tuple(f"point {j + 1}" for j in range(joints))
        return names, ["data.yaml has no kpt_names: keypoints are called by number."]
    first = lists[0]
    sound = isinstance(first, list) and len(first) == joints and all(isinstance(n, str) for n in first)
    if not sound or any(names != first for names in lists) or len(set(first)) < joints:
        raise DataError(
            f"{path}: kpt_names needs {joints} different names (kpt_shape), the same for each class. "
            f"Found {given!r:.80}."
        )
    return tuple(first), []


def _drawn(config: Mapping[str, Any], joints: int) -> tuple[list[tuple[int, int]], list[float]]:
    """Limbs and sigmas as `pose_config` writes them; none where there are none."""
    given = config.get("skeleton")
    limbs = [
        limb for pair in (given if isinstance(given, list) else ()) if (limb := _whole(pair)) is not None
    ]
    try:
        sigmas = [float(v) for v in config.get("sigmas", ())]
    except (TypeError, ValueError):
        sigmas = []
    sound = len(sigmas) == joints and all(s > 0 for s in sigmas)
    inside = [
        (a, b) for a, b in (limb for limb in limbs if len(limb) == 2) if min(a, b) >= 0 and max(a, b) < joints
    ]
    return inside, sigmas if sound else []


def _whole(values: Any) -> list[int] | None:
    """Whole numbers of a list of texts or numbers."""
    try:
        return [int(v) for v in values] if isinstance(values, list) else None
    except (TypeError, ValueError):
        return None


def _like_coco(pairs: tuple[tuple[int, int], ...], joints: int) -> bool:
    return joints == len(COCO_SIGMAS) and pairs == Skeleton.from_names(tuple(COCO_SIGMAS)).pairs
