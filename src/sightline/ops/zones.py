"""Counts of tracked objects that cross a line, or enter and leave a zone.

An object counts by the middle of its box. It changes sides only when it is clear of the border, by a quarter
of its extent across it, so that a box that trembles on a line is counted once or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CLEAR = 0.25
"""Distance from a border at which an object is clear of it, in shares of its extent across the border."""
T = TypeVar("T")
FORGOTTEN = 5000
"""Frames after which an identity that is not seen any more is forgotten."""


@dataclass
class LineCounter:
    """Counts objects that cross a line between two points.

    Right and left are those of somebody who goes from the first point to the second.

    Args:
        points: (x1, y1, x2, y2) in pixels.

    Attributes:
        to_right: Crossings from the left to the right.
        to_left: Crossings from the right to the left.
    """

    points: tuple[float, ...]
    to_right: int = 0
    to_left: int = 0
    _sides: dict[int, tuple[bool, Floats, int]] = field(default_factory=dict, repr=False)
    _frame: int = 0

    def __post_init__(self) -> None:
        values = np.asarray(self.points, dtype=np.float64)
        if values.shape != (4,) or not np.isfinite(values).all() or (values[:2] == values[2:]).all():
            raise ValueError(f"A line is x1,y1,x2,y2 of two different points. Received {_said(self.points)}.")
        self._start, self._way = values[:2], values[2:] - values[:2]

    def update(self, ids: ArrayLike, boxes: ArrayLike) -> None:
        """Take in the objects of the next frame.

        Args:
            ids: (M,) identities; those below 1 are of no track and do not count.
            boxes: (M, 4) x1, y1, x2, y2 in pixels.
        """
        self._frame += 1
        length = float(np.hypot(*self._way))
        across = np.array([-self._way[1], self._way[0]]) / length  # to the right, as y points down
        numbers, places, sides = _objects(ids, boxes)
        distance = (places - self._start) @ across
        clear = np.abs(distance) > CLEAR * (sides @ np.abs(across))
        for number, place, right in zip(numbers[clear], places[clear], distance[clear] > 0, strict=True):
            before = self._sides.get(int(number))
            if before is not None and before[0] != right and self._between(before[1], place):
                self.to_right += bool(right)
                self.to_left += not right
            self._sides[int(number)] = (bool(right), place, self._frame)
        _forget(self._sides, self._frame)

    def _between(self, before: Floats, now: Floats) -> bool:
        """Whether the way of an object meets the line between its ends, not beyond them."""
        a, b = (_cross(self._way, p - self._start) for p in (before, now))
        meeting = before + (now - before) * (a / (a - b))
        share = float((meeting - self._start) @ self._way) / float(self._way @ self._way)
        return 0 <= share <= 1

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {"to_right": self.to_right, "to_left": self.to_left}


@dataclass
class ZoneCounter:
    """Counts objects in a polygon.

    Args:
        points: (x1, y1, x2, y2, x3, y3, ...) corners in pixels, at least three.

    Attributes:
        entered: Times that an object that was outside came in.
        left: Times that an object that was inside went out.
        visitors: Objects that were ever inside; also those that were inside when they were first seen.
        most: Objects that were inside at the same time, at most.
    """

    points: tuple[float, ...]
    entered: int = 0
    left: int = 0
    visitors: int = 0
    most: int = 0
    _inside: dict[int, tuple[bool, bool, int]] = field(default_factory=dict, repr=False)
    _frame: int = 0

    def __post_init__(self) -> None:
        values = np.asarray(self.points, dtype=np.float64)
        if len(values) < 6 or len(values) % 2 or not np.isfinite(values).all():
            raise ValueError(
                f"A zone is x1,y1,x2,y2,x3,y3,... of three corners or more. Received {_said(self.points)}."
            )
        self._corners = values.reshape(-1, 2)
        self._ways = np.roll(self._corners, -1, 0) - self._corners
        area = abs(sum(map(_cross, self._corners, np.roll(self._corners, -1, 0)))) / 2
        if area == 0 or _crosses_itself(self._corners):
            raise ValueError(
                f"The border of a zone must not cross itself. Received {_said(self.points)}: give the "
                "corners in the order in which one walks around it."
            )
        self._limit = np.sqrt(area) / 4  # a zone may be smaller than the objects

    def update(self, ids: ArrayLike, boxes: ArrayLike) -> None:
        """Take in the objects of the next frame; see `LineCounter.update`."""
        self._frame += 1
        numbers, places, sides = _objects(ids, boxes)
        inside, distance, across = self._border(places)
        clear = distance > np.minimum(CLEAR * (sides * np.abs(across)).sum(1), self._limit)
        for number, within in zip(numbers[clear].tolist(), inside[clear].tolist(), strict=True):
            was, visited, _ = self._inside.get(number, (within, False, 0))
            self.entered += within and not was
            self.left += was and not within
            self.visitors += within and not visited
            self._inside[number] = (within, visited or within, self._frame)
        for number in set(numbers[~clear].tolist()) & self._inside.keys():
            self._inside[number] = (*self._inside[number][:2], self._frame)
        present = sum(self._inside.get(number, (False,))[0] for number in numbers.tolist())
        self.most = max(self.most, present)
        _forget(self._inside, self._frame)

    def _border(self, places: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Of points (M, 2): whether each is inside, its distance to the border, and (M, 2) the unit vector
        from the border to it.
        """
        gap = places[:, None] - self._corners
        share = (gap * self._ways).sum(2) / np.maximum((self._ways**2).sum(1), 1e-12)
        away = gap - np.clip(share, 0, 1)[..., None] * self._ways
        distances = np.hypot(away[..., 0], away[..., 1])
        nearest = distances.argmin(1)[:, None]
        distance = np.take_along_axis(distances, nearest, 1)[:, 0]
        across = np.take_along_axis(away, nearest[..., None], 1)[:, 0] / np.maximum(distance, 1e-12)[:, None]
        y, top = places[:, 1:], self._corners[:, 1]
        bottom = top + self._ways[:, 1]
        spans = (top <= y) != (bottom <= y)  # inside: an odd number of edges lies to the right
        slope = np.where(self._ways[:, 1] == 0, 1, self._ways[:, 1])
        meets = self._corners[:, 0] + (y - top) / slope * self._ways[:, 0]
        inside = (spans & (meets > places[:, :1])).sum(1) % 2 == 1
        return inside, distance, across

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {"entered": self.entered, "left": self.left, "visitors": self.visitors, "most": self.most}


def _objects(ids: ArrayLike, boxes: ArrayLike) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Identities, middles (M, 2), and widths and heights (M, 2) of the tracked objects."""
    numbers, places = np.asarray(ids, dtype=np.int64), np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    numbers, places = numbers[numbers > 0], places[numbers > 0]
    return numbers, (places[:, :2] + places[:, 2:]) / 2, places[:, 2:] - places[:, :2]


def _forget(entries: dict[int, tuple[bool, T, int]], frame: int) -> None:
    """Drop identities that are long gone, so that a camera that runs for days needs no more memory."""
    if frame % FORGOTTEN == 0:
        for number in [n for n, entry in entries.items() if frame - entry[2] >= FORGOTTEN]:
            del entries[number]


def _crosses_itself(corners: Floats) -> bool:
    """Whether two sides of a polygon (P, 2) that are not neighbors meet."""
    ends = np.roll(corners, -1, 0)
    count = len(corners)
    for i in range(count):
        for j in range(i + 2, count - (i == 0)):
            a, b, c, d = corners[i], ends[i], corners[j], ends[j]
            if (
                _cross(b - a, c - a) * _cross(b - a, d - a)
                <= 0
                >= _cross(d - c, a - c) * _cross(d - c, b - c)
            ):
                return True
    return False


def _cross(a: Floats, b: Floats) -> float:
    """Third component of the cross product of two vectors in the plane."""
    return float(a[0] * b[1] - a[1] * b[0])


def _said(points: Sequence[float]) -> str:
    return ",".join(f"{v:g}" for v in points)
