"""Keypoints: objects with named points, the target of pose estimation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sightline.core.skeleton import Skeleton
from sightline.core.targets.base import Synthetic
from sightline.core.targets.instances import Instances

UNLABELED, HIDDEN, VISIBLE = 0, 1, 2
"""Values of `Keypoints.visibility`, as in COCO."""
MOVED_SHARE = 0.01
"""Share of the image's longer side from which on a point lies elsewhere."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Keypoints(Instances):
    """Instances with J points each; see `Instances`.

    Attributes:
        points: (M, J, 2) float32 x, y in pixels: the top left corner of the image is (0, 0). 0 where a point
            is not labeled. They may lie outside of the image and of the box.
        visibility: (M, J) int8, as in COCO: 0 not labeled, 1 labeled and hidden, 2 labeled and visible. Of a
            prediction 2 everywhere.
        skeleton: What the points are.
        point_scores: (M, J) float in [0, 1] for a prediction, else None.
    """

    points: Tensor
    visibility: Tensor
    skeleton: Skeleton
    point_scores: Tensor | None = None
    kind = "keypoints"
    needs = "named points of objects"
    description = "named points of objects"
    _common: ClassVar[tuple[str, ...]] = ("counts", "sizes", "skeleton")

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (len(self.labels), len(self.skeleton))
        if self.points.shape != (*shape, 2) or self.visibility.shape != shape:
            raise ValueError(
                f"Keypoints of {shape[0]} objects need points {(*shape, 2)} and visibility {shape}. "
                f"Received {tuple(self.points.shape)} and {tuple(self.visibility.shape)}."
            )

    @classmethod
    def of(
        cls,
        sizes: Tensor,
        counts: Tensor,
        points: Tensor,
        visibility: Tensor,
        skeleton: Skeleton,
        labels: Tensor | None = None,
    ) -> Self:
        """Objects from their points; boxes are the extent of what is labeled, zeros where nothing is."""
        labels = torch.zeros(len(points), dtype=torch.int64) if labels is None else labels
        points = _zeroed(points, visibility)
        boxes = extents(points, visibility)
        return cls(
            counts=counts, sizes=sizes, boxes=boxes, labels=labels, points=points,
            visibility=visibility.to(torch.int8), skeleton=skeleton,
        )  # fmt: skip

    @property
    def mirrors(self) -> bool:
        """Whether left and right points are known."""
        return self.skeleton.pairs is not None

    @property
    def mirror_reason(self) -> str:
        """The pairs that change places, or that they are unknown."""
        names = self.skeleton.names
        if self.skeleton.pairs is None:
            return "images are not mirrored, since the names do not say which points are left and right"
        pairs = ", ".join(f"{names[a]} / {names[b]}" for a, b in self.skeleton.pairs)
        return f"in mirrored images change places: {pairs or 'none'}"

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """All images of several batches, in order.

        Raises:
            ValueError: If their skeletons differ.
        """
        if any(part.skeleton != parts[0].skeleton for part in parts):
            raise ValueError("Keypoints of different skeletons cannot be joined.")
        return super().cat(parts)

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Self:
        """Warp the points with their images; in a mirrored image, left and right points change places.

        Points that come to lie outside are not clipped. With `least` above 0 (augmentation, tiles) they are
        unlabeled then, since the image does not show them any more.

        Raises:
            ValueError: If an image is mirrored and the pairs of the skeleton are unknown.
        """
        moved = self._moved(places)
        mirrored = torch.linalg.det(places[:, :, :2].float())[self.image.cpu()] < 0
        if mirrored.any():
            moved = moved._swapped(mirrored.to(self.points.device))
        if least > 0:
            far = sizes.to(moved.points)[self.image].flip(1)[:, None]
            outside = ((moved.points < 0) | (moved.points > far)).any(2)
            visibility = moved.visibility.masked_fill(outside, UNLABELED)
            moved = replace(moved, visibility=visibility, points=_zeroed(moved.points, visibility))
        return super(Keypoints, moved).warp(places, sizes, least)

    def turned(self, places: Tensor, sizes: Tensor) -> Self:
        """The same objects in images that are shown as they were taken: left and right stay."""
        return super(Keypoints, self._moved(places)).turned(places, sizes)

    def _moved(self, places: Tensor) -> Self:
        """The points mapped by (N, 2, 3) affine matrices."""
        matrix = places.to(self.points.device, torch.float64)[self.image]
        points = self.points.double() @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
        return replace(self, points=_zeroed(points.to(self.points), self.visibility))

    def _swapped(self, mirrored: Tensor) -> Self:
        """Left and right exchanged in the (M,) objects of mirrored images."""
        order = torch.tensor(self.skeleton.permutation, device=self.points.device)
        fields = {"points": self.points, "visibility": self.visibility, "point_scores": self.point_scores}
        changed: dict[str, Any] = {
            name: torch.where(mirrored.view(-1, *[1] * (value.ndim - 1)), value[:, order], value)
            for name, value in fields.items()
            if value is not None
        }
        return replace(self, **changed)

    def scorable(self) -> Tensor:
        """(N,) bool: images with an object that is no crowd and has a labeled point."""
        counted = (self.visibility > 0).any(1)
        if self.crowd is not None:
            counted &= ~self.crowd
        return torch.bincount(self.image[counted], minlength=len(self)) > 0

    def differs(self, other: Self) -> Tensor:
        """(N,) bool: images with another number of objects of a class, or with a point that lies elsewhere:
        further away than a hundredth of the image's longer side.
        """
        different = super().differs(other)
        same = (~different).nonzero().flatten()
        mine, others = self[same], other[same]
        away = (mine.points - others.points).norm(dim=2)
        far = (away > MOVED_SHARE * mine.sizes.amax(1).to(away)[mine.image][:, None]).any(1)
        different[same] = torch.bincount(mine.image[far], minlength=len(same)) > 0
        return different

    def likeness(self, prediction: Self) -> Tensor:
        """(N,) mean over the labeled points of the first object: how near the prediction's point lies (the
        similarity of COCO with a deviation of a twentieth of the object's longer side), times its score.
        """
        same = torch.zeros(len(self))
        for i in ((self.counts > 0) & (prediction.counts > 0)).nonzero().flatten().tolist():
            mine, other = self[i], prediction[i]
            side = (mine.boxes[0, 2:] - mine.boxes[0, :2]).max().clamp(min=1)
            near = torch.exp(-0.5 * ((other.points - mine.points[:1]).norm(dim=2) / (0.05 * side)).square())
            labeled = (mine.visibility[0] > 0).to(near)
            like = (near * labeled).sum(1) / labeled.sum().clamp(min=1)
            same[i] = (like if other.scores is None else like * other.scores.to(like)).max()
        return same

    def as_prediction(self, classes: int) -> Self:
        """As `Instances`, with scores of 1 for points without any."""
        same = super().as_prediction(classes)
        if same.point_scores is not None:
            return same
        return replace(same, point_scores=torch.ones_like(self.points[:, :, 0]))

    def as_target(self) -> Self:
        """The same without scores."""
        return replace(self, scores=None, point_scores=None)

    def mismatch(self, prediction: Self) -> str:
        """See `Targets.mismatch`; the points must be the same, in the same order."""
        mine, others = self.skeleton.names, prediction.skeleton.names
        if mine != others:
            again = ", in another order" if sorted(mine) == sorted(others) else ""
            return (
                f"the points are {', '.join(mine)} in the annotations and {', '.join(others)} in the "
                f"predictions{again}"
            )
        return super().mismatch(prediction)

    def arrays(self, i: int) -> dict[str, Any]:
        """Those of `Instances`, and "points", "visibility", "point_scores", "skeleton" of image i."""
        objects = self[i]
        scores = None if objects.point_scores is None else objects.point_scores.numpy()
        more = {"points": objects.points.numpy(), "visibility": objects.visibility.numpy()}
        return {**super().arrays(i), **more, "point_scores": scores, "skeleton": self.skeleton}

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: objects of each class, and `statistics` with the skeleton, the most
        objects of an image, and how often each point is labeled.
        """
        labeled = (self.visibility > 0).sum(0).tolist()
        most = int(self.counts.max()) if len(self) else 0
        statistics = {"skeleton": self.skeleton.to_json(), "most_objects": most, "labeled": labeled}
        return {**super().summary(classes), "statistics": statistics}

    def to_json(self) -> list[Any]:
        """That of `Instances`; each entry has the skeleton too."""
        skeleton = self.skeleton.to_json()
        return [{**row, "skeleton": skeleton} for row in super().to_json()]

    @classmethod
    def _fields_of(cls, rows: Sequence[Any]) -> dict[str, Any]:
        skeleton = Skeleton.from_json(rows[0]["skeleton"]) if rows else Skeleton()
        fields = super()._fields_of(rows)
        m, j = len(fields["labels"]), len(skeleton)
        fields["points"] = fields.get("points", torch.zeros(0)).reshape(m, j, 2)
        fields["visibility"] = fields.get("visibility", torch.zeros(0, dtype=torch.int8)).reshape(m, j)
        if "point_scores" in fields:
            fields["point_scores"] = fields["point_scores"].reshape(m, j)
        return {**fields, "skeleton": skeleton}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A figure that faces the viewer in each image: a head, a body, and two arms at different heights."""
        rng, side = np.random.default_rng(seed), 0.4 * size
        images = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8)
        points = np.empty((n, len(FIGURE), 2), dtype=np.float32)
        for image, xy in zip(images, points, strict=True):
            x, y = rng.uniform(0.3, 0.7) * size, rng.uniform(0.1, 0.4) * size
            hands = y + side * rng.uniform(0.1, 0.7, 2)
            xy[:] = [(x, y), (x + 0.4 * side, hands[0]), (x - 0.4 * side, hands[1]), (x, y + side)]
            neck = np.array([x, y + 0.4 * side])
            for start, end in ((xy[0], xy[3]), (neck, xy[1]), (neck, xy[2])):
                _draw_line(image, start, end, 160)
            _draw_line(image, xy[0] - 1, xy[0] + 1, 250)
        counts, sizes = torch.ones(n, dtype=torch.int64), torch.full((n, 2), size)
        visibility = torch.full((n, len(FIGURE)), VISIBLE, dtype=torch.int8)
        targets = cls.of(sizes, counts, torch.from_numpy(points), visibility, FIGURE)
        return Synthetic(images, targets, ("figure",))


FIGURE = Skeleton.from_names(["head", "left_hand", "right_hand", "foot"], ((0, 3), (0, 1), (0, 2)))
"""Skeleton of the synthetic figure; its left hand is on the right of the image."""


def extents(points: Tensor, visibility: Tensor) -> Tensor:
    """(M, 4) x1, y1, x2, y2 around the labeled ones of points (M, J, 2); zeros where there are none."""
    labeled = (visibility > 0)[:, :, None]
    if not points.shape[1]:
        return torch.zeros(len(points), 4)
    low = points.masked_fill(~labeled, torch.inf).amin(1)
    high = points.masked_fill(~labeled, -torch.inf).amax(1)
    return torch.where(labeled.any(1), torch.cat([low, high], 1), 0.0)


def _zeroed(points: Tensor, visibility: Tensor) -> Tensor:
    """Points (M, J, 2) with zeros where they are not labeled."""
    return torch.where((visibility > 0)[:, :, None], points, 0.0)


def _draw_line(image: Any, start: Any, end: Any, value: int) -> None:
    """Draw a thick line in place on (H, W, C) uint8, for tests."""
    steps = np.linspace(start, end, 4 * len(image))
    for dx in (-1, 0, 1):
        x, y = (np.clip(np.floor(steps + dx / 2), 0, len(image) - 1).astype(int)).T
        image[y, x] = value


TARGET = Keypoints
