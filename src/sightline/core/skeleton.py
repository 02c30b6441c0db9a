"""Skeleton: the names of keypoints, which of them mirror each other, and how they are connected. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

Pair = tuple[int, int]

COCO_SIGMAS = {
    "nose": 0.026, "left_eye": 0.025, "right_eye": 0.025, "left_ear": 0.035, "right_ear": 0.035,
    "left_shoulder": 0.079, "right_shoulder": 0.079, "left_elbow": 0.072, "right_elbow": 0.072,
    "left_wrist": 0.062, "right_wrist": 0.062, "left_hip": 0.107, "right_hip": 0.107,
    "left_knee": 0.087, "right_knee": 0.087, "left_ankle": 0.089, "right_ankle": 0.089,
}  # fmt: skip
"""Spread of the annotations of each point in COCO, as a share of the root of the object's area."""
DEFAULT_SIGMA = 0.05
"""That of points of which no spread is known."""
_SIDES = (
    r"left|right|Left|Right|LEFT|RIGHT",
    r"(?<![A-Za-z])[lr](?![a-z])",  # l_eye, eye_l, lElbow
    r"(?<![A-Z])[LR](?![a-z])",  # L_eye, eyeL, LEar
)
_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_OTHER |= {other: side for side, other in _OTHER.items()}


@dataclass(frozen=True)
class Skeleton:
    """What the J keypoints of an object are. JSON-able.

    Attributes:
        names: Of the J points, each once.
        pairs: Points that change places in a mirrored image (left and right), by index; a point in none lies
            in the middle. None: unknown, so that images must not be mirrored.
        limbs: Points that are connected in drawings, by index.
        sigmas: (J,) spread of the annotations of each point, as a share of the root of the object's area; ()
            where it is unknown.
    """

    names: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] | None = None
    limbs: tuple[Pair, ...] = ()
    sigmas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        j = len(self.names)
        ends = [i for pair in (*(self.pairs or ()), *self.limbs) for i in pair]
        paired = [i for pair in self.pairs or () for i in pair]
        if len(set(self.names)) != j or any(not 0 <= i < j for i in ends):
            raise ValueError(f"A skeleton needs distinct names, and indices below their number. {self}")
        if len(set(paired)) != len(paired):
            raise ValueError(f"Each keypoint mirrors one other at most. Received {self.pairs}.")
        if len(self.sigmas) not in (0, j) or any(not s > 0 for s in self.sigmas):
            raise ValueError(f"{j} keypoints need as many sigmas above 0, or none. Received {self.sigmas}.")

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_names(
        cls, names: Sequence[str], limbs: Sequence[Pair] = (), sigmas: Sequence[float] = ()
    ) -> Self:
        """A skeleton whose pairs follow from the names, and whose sigmas are COCO's if all names are."""
        of_coco = all(name in COCO_SIGMAS for name in names)
        spread = sigmas or [COCO_SIGMAS[name] for name in names if of_coco]
        return cls(tuple(names), mirror_pairs(names), tuple((a, b) for a, b in limbs), tuple(spread))

    @property
    def permutation(self) -> tuple[int, ...]:
        """(J,) for each point the index of the one that it is in a mirrored image.

        Raises:
            ValueError: If the pairs are unknown.
        """
        if self.pairs is None:
            raise ValueError(f"Which of {', '.join(self.names)} are left and right is unknown.")
        other = {**dict(self.pairs), **{b: a for a, b in self.pairs}}
        return tuple(other.get(i, i) for i in range(len(self)))

    @property
    def oks_sigmas(self) -> tuple[float, ...]:
        """(J,) sigmas for OKS: the given ones, else `DEFAULT_SIGMA` for all."""
        return self.sigmas or (DEFAULT_SIGMA,) * len(self)

    def to_json(self) -> dict[str, Any]:
        """The attributes as lists."""
        pairs = None if self.pairs is None else [list(p) for p in self.pairs]
        limbs = [list(limb) for limb in self.limbs]
        return {"names": list(self.names), "pairs": pairs, "limbs": limbs, "sigmas": list(self.sigmas)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        pairs = content["pairs"]
        return cls(
            tuple(content["names"]),
            None if pairs is None else tuple((a, b) for a, b in pairs),
            tuple((a, b) for a, b in content["limbs"]),
            tuple(content["sigmas"]),
        )


def mirror_pairs(names: Sequence[str]) -> tuple[Pair, ...] | None:
    """Pairs of left and right by name (left_eye, rightear, l_eye, eyeL, R_knee); None if there are none."""
    index = {name: i for i, name in enumerate(names)}
    pairs = set()
    for name, i in index.items():
        for side in _SIDES:
            j = index.get(re.sub(side, lambda match: _OTHER[match[0]], name), i)
            if j != i:
                pairs.add((min(i, j), max(i, j)))
    paired = [i for pair in pairs for i in pair]
    return tuple(sorted(pairs)) if pairs and len(set(paired)) == len(paired) else None
