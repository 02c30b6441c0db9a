"""Columns of tables that hold keypoints: pairs of x and y by their names, or one row for each point."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.data.parsing.columns import CORNERS, FRAMES, PATHS

_MARK = r"[ _.:\-]"
_FORMS = (
    re.compile(rf"(?P<point>.+?)(?P<mark>{_MARK})(?P<axis>[xy])$", re.IGNORECASE),  # nose_x, part_0_x, nose.x
    re.compile(r"(?P<point>.+?)(?P<mark> ?)[(\[](?P<axis>[xy])[)\]]$", re.IGNORECASE),  # nose (x)
    re.compile(rf"(?P<axis>[xy])(?P<mark>{_MARK}?)(?P<point>.+)$", re.IGNORECASE),  # x1, x_nose
    re.compile(r"(?P<point>.+?)(?P<mark>)(?P<axis>[xy])$", re.IGNORECASE),  # noseX, nosex
    re.compile(r"(?P<point>)(?P<mark>)(?P<axis>[xy])$", re.IGNORECASE),  # x, y
)
_VISIBLE = ("v", "vis", "visible", "visibility")
_SCORES = ("likelihood", "score", "confidence", "conf")
_NO_POINTS = ("bbox", "box", "min", "max", "size", "resolution", "scale", "image")
"""Names of pairs of columns that are boxes or facts of an image."""
_SIZES = ("width", "height", "w", "h")
_NODES = ("node", "bodypart", "bodyparts", "body_part", "keypoint", "joint", "landmark", "point", "part")
_OBJECTS = (
    "track",
    "track_id",
    "instance",
    "instance_id",
    "individual",
    "individuals",
    "object",
    "object_id",
)
_FRAME_NAMES = (*FRAMES, "frame_idx")
_LEAST = 2
"""Pairs of columns that are keypoints without being asked for; one may be two numbers to regress."""


@dataclass(frozen=True)
class PointColumns:
    """Columns of one row for each object.

    Attributes:
        names: Of the J points.
        x: Column of x of each.
        y: Column of y of each.
        visible: Column of visibility of each, or "".
        scores: Columns of confidence.
        box: Columns of corners x1, y1, x2, y2, or ().
    """

    names: tuple[str, ...]
    x: tuple[str, ...]
    y: tuple[str, ...]
    visible: tuple[str, ...]
    scores: tuple[str, ...]
    box: tuple[str, ...]


@dataclass(frozen=True)
class LongColumns:
    """Columns of one row for each point: its name, x, y, perhaps visibility; `parts` say of what object."""

    node: str
    x: str
    y: str
    visible: str
    parts: tuple[str, ...]


def point_columns(names: Sequence[str], *, requested: bool = False) -> PointColumns | None:
    """Columns by their roles; None where there is no pair of x and y, or only pairs that are the corners of a
    box, unless keypoints are requested.
    """
    low = {name.lower(): name for name in reversed(names)}
    box = next((tuple(low[c] for c in corners) for corners in CORNERS if {*corners} <= {*low}), ())
    pairs: dict[str, tuple[str, str]] = {}
    used = {*box}
    for form in _FORMS:
        by_point: dict[tuple[str, str], dict[str, str]] = {}
        for name in names:
            match = form.match(name) if name not in used else None
            if match is not None:
                key = (match["point"], match["mark"])
                by_point.setdefault(key, {})[match["axis"].lower()] = name
        for (point, _), axes in by_point.items():
            bare = point.lower().strip(" _.:-")
            if len(axes) == 2 and bare not in _NO_POINTS and point not in pairs:
                pairs[point] = (axes["x"], axes["y"])
                used |= {*axes.values()}
    if not requested and ({*pairs} == {"1", "2"} or ({*pairs} == {""} and {*_SIZES} & {*low})):
        return None  # the corners of a box, or its corner and size
    order = sorted(pairs, key=lambda point: names.index(pairs[point][0]))
    if not order:
        return None
    return PointColumns(
        tuple(point or "point" for point in order) if order != [""] else ("point",),
        tuple(pairs[point][0] for point in order),
        tuple(pairs[point][1] for point in order),
        tuple(_companion(low, point, pairs[point][0], _VISIBLE) for point in order),
        tuple(c for p in order if (c := _companion(low, p, pairs[p][0], _SCORES))),
        box,
    )


def long_columns(names: Sequence[str]) -> LongColumns | None:
    """Columns by their roles; None where no row is one point."""
    low = {name.lower(): name for name in reversed(names)}
    node = next((low[n] for n in _NODES if n in low), "")
    if not node or not {"x", "y"} <= {*low}:
        return None
    visible = next((low[n] for n in _VISIBLE if n in low), "")
    return LongColumns(node, low["x"], low["y"], visible, tuple(low[n] for n in _OBJECTS if n in low))


def frame_column(names: Sequence[str]) -> str:
    """The column of numbers of frames, or ""."""
    low = {name.lower(): name for name in reversed(names)}
    return next((low[n] for n in _FRAME_NAMES if n in low), "")


def like_points(names: Sequence[str], *, requested: bool) -> bool:
    """Whether a header is that of a table of keypoints.

    Args:
        names: Of the columns.
        requested: Whether keypoints are asked for, so that one pair is enough.
    """
    low = {name.lower() for name in names}
    if not low & {*PATHS} and not frame_column(names):
        return False
    if long_columns(names) is not None:
        return True
    columns = point_columns(names, requested=requested)
    if columns is None:
        return False
    return requested or len(columns.names) >= _LEAST


def _companion(low: dict[str, str], point: str, x: str, words: Sequence[str]) -> str:
    """The column that says one more thing of a point: nose_v, nose.score, v1."""
    tries = [f"{point}{mark}{word}" for word in words for mark in ("_", ".", " ", "-", "")]
    if x.lower().startswith("x"):
        tries += [f"{word}{mark}{point}" for word in words for mark in ("", "_", ".", " ", "-")]
    return next((low[name.lower()] for name in tries if name.lower() in low), "")
