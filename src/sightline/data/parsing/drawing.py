"""Drawn annotations (boxes, outlines, ellipses, lines), collected as boxes or as masks.

One rule holds for all formats. For boxes, the bounding box of an outline is taken, and this is reported. For
masks, a box is not accepted. Lines and points are errors: without them, their image would teach the model
that it contains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data.parsing.corners import Written
from sightline.data.parsing.instances import InstanceBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import Outlined
from sightline.ops.contours import Part, Polygon, cut_out

SLIP = 1.0  # degrees that a box may be turned by a slip of the hand
_CORNERS = 128  # of the polygon that stands for an ellipse: at most 0.03 % of its radius inside it
_UNIT_SCALE = (1.0, 1.0)


@dataclass
class Drawing:
    """Builder of images and their drawn shapes.

    Attributes:
        into: Where boxes, or masks, are gathered.
        rectangles: How many boxes were drawn.
        outlines: How many polygons and masks were drawn.
        messages: What was found out.
    """

    into: InstanceBuilder
    rectangles: int = 0
    outlines: int = 0
    messages: list[str] = field(default_factory=list)
    _around: list[str] = field(default_factory=list)
    _round: list[str] = field(default_factory=list)
    _slips: list[str] = field(default_factory=list)
    _turned: list[str] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _bare: list[str] = field(default_factory=list)
    _broken: list[str] = field(default_factory=list)

    @property
    def outlined(self) -> bool:
        """Whether masks are collected instead of boxes."""
        return isinstance(self.into, Outlined)

    def box(self, image: int, key: Hashable, corners: Sequence[float], where: str, **more: Any) -> None:
        """Add a box.

        Args:
            image: Number of the image.
            key: The class as annotated.
            corners: x1, y1, x2, y2, in pixels or parts of the image.
            where: The annotation, for messages.
            more: As `Gathered.box`.
        """
        self.rectangles += 1
        if isinstance(self.into, Outlined):
            self._others.append(f"{where}: a box")
        else:
            self.into.box(image, key, corners, **more)

    def turned(
        self, image: int, key: Hashable, place: Sequence[float], degrees: float, where: str, *,
        pivot: Sequence[float], scale: Sequence[float] | None = _UNIT_SCALE, **more: Any,
    ) -> None:  # fmt: skip
        """Add a rotated box; only rotations by 90 degrees and errors below a degree stay boxes.

        Args:
            image: Number of the image.
            key: The class as annotated.
            place: x and y of the corner that is top left without the turn, width and height.
            degrees: The turn, clockwise.
            where: The annotation, for messages.
            pivot: x and y of what it is turned around.
            scale: Pixels of one unit of x and of y; None where this is not known.
            more: As `Gathered.box`.
        """
        x, y, w, h = place
        corners: Sequence[float] = (x, y, x + w, y + h)
        if degrees % 360 == 0:
            return self.box(image, key, corners, where, **more)
        slip = (degrees + 45) % 90 - 45 if math.isfinite(degrees) else math.inf
        if abs(slip) >= SLIP or scale is None:
            self._turned.append(where)
            self.rectangles += 1
            return None
        points = (np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]) - pivot) * scale
        around = _turn(points, degrees) / scale + pivot
        if degrees % 90:
            self._slips.append(f"{where} ({degrees:g} degrees)")
        return self.box(image, key, (*around.min(0).tolist(), *around.max(0).tolist()), where, **more)

    def polygon(self, image: int, key: Hashable, rings: Sequence[Polygon], where: str, **more: Any) -> None:
        """Add an object that is drawn as one polygon or several, each (P, 2)."""
        self.outlines += 1
        self._outline(image, key, rings, where, more)

    def _outline(
        self, image: int, key: Hashable, rings: Sequence[Polygon], where: str, more: dict[str, Any]
    ) -> None:
        if isinstance(self.into, Outlined):
            self.into.polygons(image, key, rings, where, **more)
            return
        whole = [ring for ring in rings if len(ring) > 2]
        if not whole:
            self.broken(f"{where}: a polygon of fewer than three points")
            return
        points = np.concatenate(whole)
        self._around.append(where)
        self.into.box(image, key, (*points.min(0).tolist(), *points.max(0).tolist()), **more)

    def mask(
        self, image: int, key: Hashable, part: Part, where: str, size: tuple[int, int] | None, **more: Any
    ) -> None:
        """Add an object by its mask; `size` is the (height, width) of what it was made for, if known."""
        self.outlines += 1
        if isinstance(self.into, Outlined):
            self.into.stamp(image, key, part, where, size, **more)
            return
        x, y, crop = cut_out(part[2], *part[:2])
        if not crop.size or (self.into.whole is not None and size is None):
            self.broken(f"{where}: a mask without {'size' if crop.size else 'a pixel'}")
            return
        h, w = crop.shape
        unit = 1.0 if self.into.whole is None else self.into.whole / np.tile((size or (1, 1))[::-1], 2)
        self._around.append(where)
        self.into.box(image, key, (np.array([x, y, x + w, y + h]) * unit).tolist(), **more)

    def ellipse(
        self, image: int, key: Hashable, center: Sequence[float], radii: Sequence[float], degrees: float,
        where: str, *, scale: Sequence[float] | None = _UNIT_SCALE, **more: Any,
    ) -> None:  # fmt: skip
        """Add an ellipse: as the polygon in its place, or the exact box around it. Arguments as `turned`."""
        if degrees and scale is None:
            self.broken(f"{where}: a turned ellipse in an image of unknown size")
            return
        scale = scale or _UNIT_SCALE
        if isinstance(self.into, Outlined):
            angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
            points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii * scale
            self._round.append(where)
            ring = _turn(points, degrees) / scale + center
            self.into.polygons(image, key, [ring], where, **more)
            return
        a, b = np.array(radii, dtype=np.float64) * scale
        cosine, sine = _turn(np.array([[1.0, 0.0]]), degrees)[0].tolist()
        reach = np.array([math.hypot(a * cosine, b * sine), math.hypot(a * sine, b * cosine)]) / scale
        self._around.append(where)
        corners = np.concatenate([np.array(center) - reach, np.array(center) + reach])
        self.into.box(image, key, corners.tolist(), **more)

    def tilted(self, where: str) -> None:
        """Record a rotated box, or a box of a rotated image."""
        self._turned.append(where)

    def other(self, kind: str, where: str) -> None:
        """Record a shape that is neither a box nor an outline."""
        self._others.append(f"{where}: {kind}")

    def bare(self, where: str) -> None:
        """Record a shape without a class, or a box without four numbers."""
        self._bare.append(where)

    def broken(self, where: str) -> None:
        """Record an outline that cannot be read; `where` has the reason."""
        (self.into.broken if isinstance(self.into, Outlined) else self._broken).append(where)

    def finish(self) -> None:
        """Findings on all shapes."""
        note = self.into.note
        fix = "Draw upright boxes, or turn rotated ones into polygons."
        note("boxes-rotated", "error", self._turned, "boxes are rotated, and were left out", fix)
        what = "boxes are turned by less than a degree; the upright box around each was taken"
        note("boxes-straightened", "info", self._slips, what, "Nothing, if they were turned by a slip.")
        what = "shapes have no class, or are boxes without four numbers, and were left out"
        note("boxes-missing", "error", self._bare, what, "Give each a class, or draw it anew.")
        what = "masks or polygons cannot be read, and were left out"
        fix = "Mend these annotations, or export them again."
        note("polygons-broken", "error", self._broken, what, fix)
        if isinstance(self.into, Outlined):
            what = "ellipses were taken as polygons"
            note("ellipses-as-polygons", "info", self._round, what, "Nothing, if these are meant.")
            what = "shapes are no polygons or masks, and were left out"
            fix = "Draw outlines, or take --task detect for the boxes."
            note("shapes-not-polygons", "error", self._others, what, fix)
            return
        what = "shapes are outlines among or instead of boxes; the box around each was taken"
        fix = "Nothing, if boxes are meant; --task instance takes outlines as they are."
        note("shapes-as-boxes", "info", self._around, what, fix)
        what = "shapes have no box that is meant (lines, points), and were left out"
        fix = "Draw boxes or polygons, or take these shapes out; --task keypoints takes points and skeletons."
        note("shapes-not-boxes", "error", self._others, what, fix)


def targets_of(
    gather: Callable[[Drawing], None], root: Path, options: ReadOptions, *,
    whole: float | None = None, written: Written = "corners",
) -> Drawing:  # fmt: skip
    """Build the data set: masks if requested, or if nothing else is drawn; else boxes.

    Args:
        gather: Adds images and shapes to a drawing; called twice where only outlines are drawn.
        root: Folder that the names of items are relative to.
        options: What is wanted.
        whole: As `InstanceBuilder`.
        written: As `InstanceBuilder`.
    """

    def empty(kind: type[InstanceBuilder]) -> Drawing:
        return Drawing(kind(root, whole=whole, written=written, stored=options.exif == "ignore"))

    drawing = empty(Outlined if options.target_type == "outlines" else InstanceBuilder)
    gather(drawing)
    if options.target_type is None and drawing.outlines and not drawing.rectangles:
        drawing = empty(Outlined)
        gather(drawing)
        drawing.messages.append("All objects are outlines: masks. --task detect takes the boxes around them.")
    drawing.finish()
    return drawing


def _turn(points: Polygon, degrees: float) -> Polygon:
    """Points turned clockwise around (0, 0), y pointing down; exact for quarter turns."""
    radians = math.radians(degrees)
    cosine, sine = math.cos(radians), math.sin(radians)
    if degrees % 90 == 0:
        cosine, sine = round(cosine), round(sine)
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]))
