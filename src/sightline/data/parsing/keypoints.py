"""Builder of a data set of objects with keypoints, and boxes around those that are annotated without one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.skeleton import Skeleton
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import UNLABELED, VISIBLE, Keypoints
from sightline.data.parsing.instances import NAN, InstanceBuilder

MARGIN = 0.15
"""Share of the longer side of the labeled points that a box reaches beyond them, on each side."""
_LONE_SIDE = 0.1  # of the longer side of an image: side of a box around one point where no box is known
_POINT = 1.0  # pixels of extent below which an object is a point


def placed(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(J, 3) x, y and visibility of (J, 2) points of a file that states none: what is NaN or negative is not
    labeled, the others are visible."""
    labeled = (np.nan_to_num(xy, nan=-1.0) >= 0).all(1)
    return np.column_stack([xy, np.where(labeled, VISIBLE, UNLABELED)])


def surrounding(
    points: NDArray[np.float64], sizes: np.ndarray, given: np.ndarray
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(M, 4) boxes around the labeled points of objects, with a margin and within their images; and which of
    the objects have one point only (or all within a pixel), around which a square has the median side of the
    other boxes.

    Args:
        points: (M, J, 3) x and y in pixels, and visibility; of each object at least one point is labeled.
        sizes: (M, 2) height and width of their images.
        given: (K, 4) boxes of other objects.
    """
    labeled = (points[:, :, 2] > 0)[:, :, None]
    low = np.where(labeled, points[:, :, :2], np.inf).min(1)
    high = np.where(labeled, points[:, :, :2], -np.inf).max(1)
    reach, limit = (high - low).max(1), sizes[:, ::-1]
    sides = np.concatenate([(given[:, 2:] - given[:, :2]).max(1), (1 + 2 * MARGIN) * reach[reach >= _POINT]])
    side = np.median(sides) if len(sides) else _LONE_SIDE * limit.max(1)
    grow = np.where(reach >= _POINT, MARGIN * reach, side / 2)[:, None]
    whole = np.hstack([low - grow, high + grow])
    corners = whole.clip(0, np.tile(limit, 2))
    # Points that lie outside of their image keep a box outside, which the check of boxes reports.
    outside = (corners[:, 2:] <= corners[:, :2]).any(1)
    corners[outside] = whole[outside]
    return corners, reach < _POINT


@dataclass
class KeypointBuilder(InstanceBuilder):
    """Builder of images and objects with keypoints, before it is known which can be used.

    Attributes:
        skeleton: Names of the J points, and what else is known of them.
    """

    things: ClassVar[str] = "objects"
    sized: ClassVar[bool] = True
    skeleton: Skeleton = field(default_factory=Skeleton)
    _points: list[NDArray[np.float64]] = field(default_factory=list)
    _where: list[str] = field(default_factory=list)
    _blank: list[str] = field(default_factory=list)
    _negative: list[str] = field(default_factory=list)
    _broken: list[str] = field(default_factory=list)
    _halves: list[str] = field(default_factory=list)
    _corner: list[str] = field(default_factory=list)

    def pose(
        self, image: int, key: Hashable, points: NDArray[np.float64], where: str,
        corners: Sequence[float] | None = None, *, stated: bool = True, **more: Any,
    ) -> None:  # fmt: skip
        """Add an object.

        Args:
            image: Number of the image.
            key: The class as annotated.
            points: (J, 3) x, y and visibility (0, 1 or 2); in pixels or parts of `whole`.
            where: The annotation, for messages.
            corners: x1, y1, x2, y2 of its box, or None: the one around its points.
            stated: Whether the file states visibility, rather than `placed`.
            more: As `box`.
        """
        xy, visibility = points[:, :2], points[:, 2]
        finite = np.isfinite(xy)
        broken = (visibility > 0) & ~finite.all(1)
        below = (visibility == 0) & finite.all(1) & (xy < 0).any(1) & (not stated)
        half = (visibility == 0) & (finite.sum(1) == 1)
        corner = (visibility > 0) & (xy == 0).all(1) & (not stated)
        for rows, such in (
            (self._broken, broken), (self._negative, below), (self._halves, half), (self._corner, corner),
        ):  # fmt: skip
            rows += [f"{where}: {self.skeleton.names[j]}" for j in np.flatnonzero(such)]
        points = np.where(((visibility > 0) & ~broken)[:, None], points, 0.0)
        flat = corners is None or not (corners[2] > corners[0] and corners[3] > corners[1])
        if flat and not points[:, 2].any():
            self._blank.append(where)
            return
        self.box(image, key, (NAN,) * 4 if flat or corners is None else corners, **more)
        self._points.append(points)
        self._where.append(where)

    def _usable(
        self, images: np.ndarray, known_sizes: np.ndarray, sizes: np.ndarray, keys: Sequence[Hashable]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """As for boxes; those that are not given are made from the points first."""
        self._problems()
        number = np.full(len(self.paths), -1)
        number[images] = np.arange(len(images))
        image = number[np.array(self._image, dtype=np.int64)]
        self._surround(np.where(image < 0, 0, image), (image >= 0) & known_sizes[image], sizes)
        return super()._usable(images, known_sizes, sizes, keys)

    def _problems(self) -> None:
        """Findings on points and objects as they are annotated."""
        what = "objects have neither a labeled point nor a box, and were left out"
        fix = "Nothing, if nothing is there; else label a point, or take the image out."
        self.note("objects-not-labeled", "warning", self._blank, what, fix)
        what = "points are marked as labeled, and have no coordinates; they are taken as not labeled"
        fix = "Nothing, if this is how missing points are written (SLEAP does); else write x and y."
        self.note("keypoints-not-finite", "warning", self._broken, what, fix)
        what = "points have one coordinate of two, and are taken as not labeled"
        self.note(
            "keypoints-half", "warning", self._halves, what, "Write x and y, or leave both cells empty."
        )
        what = "points lie at 0, 0 exactly; they are taken as labeled there"
        fix = "Leave the cells empty if this is how missing points were written."
        self.note("keypoints-at-origin", "warning", self._corner, what, fix)
        what = "points have negative coordinates, and are taken as not labeled"
        fix = "Nothing, if this is how missing points were written; else correct them."
        self.note("keypoints-negative", "info", self._negative, what, fix)

    def _surround(self, image: np.ndarray, present: np.ndarray, sizes: np.ndarray) -> None:
        """Set boxes that are not given: the one around the points and a margin; around a single point a
        square with the median side of the other boxes."""
        raw = np.array(self._corners, dtype=np.float64).reshape(-1, 4)
        bare = np.isnan(raw).all(1) & present
        if not bare.any():
            return
        unit = np.tile(self._units(image, sizes), 2)
        points = np.stack(self._points)[bare]
        points[:, :, :2] *= unit[bare, None, :2]
        given = (raw * unit)[present & ~bare]
        corners, lone = surrounding(points, sizes[image[bare]], given)
        raw[bare] = corners / unit[bare]
        self._corners[:] = type(self._corners)("d", raw.ravel())
        items = [self._where[row] for row in np.flatnonzero(bare)[lone]]
        what = (
            "objects have one labeled point and no box; theirs is a square of the median side of the others"
        )
        self.note("boxes-of-one-point", "warning", items, what, "Label more points of them, or draw boxes.")

    def _units(self, image: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """(M, 2) pixels of one unit of x and of y."""
        if self.whole is None:
            return np.ones((len(image), 2))
        return np.asarray(sizes[image][:, ::-1] / self.whole)

    def _targets(
        self, order: np.ndarray, boxes: np.ndarray, image: np.ndarray, label: np.ndarray, sizes: np.ndarray
    ) -> Instances:
        """The objects of some rows, in that order."""
        plain = super()._targets(order, boxes, image, label, sizes)
        points = np.stack([self._points[row] for row in order]) if len(order) else self._empty()
        points[:, :, :2] *= self._units(image[order], sizes)[:, None]
        return Keypoints(
            plain.counts, plain.sizes, plain.boxes, plain.labels, plain.scores, areas=plain.areas,
            crowd=plain.crowd, difficult=plain.difficult,
            points=torch.from_numpy(points[:, :, :2].astype(np.float32)),
            visibility=torch.from_numpy(points[:, :, 2].astype(np.int8)), skeleton=self.skeleton,
        )  # fmt: skip

    def _empty(self) -> NDArray[np.float64]:
        return np.zeros((0, len(self.skeleton), 3))
