"""Instances: objects with a box and a class, the target of detection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets import _objects
from sightline.core.targets._windows import Window
from sightline.core.targets.base import Index, Statement, Synthetic, Targets, rarest_class
from sightline.core.targets.bitmaps import CroppedMasks

_FLAGS = ("crowd", "difficult")
_WHOLE = dict.fromkeys(("labels", "ids"), torch.int64)
_TYPES = {**_WHOLE, **dict.fromkeys(_FLAGS, torch.bool), "visibility": torch.int8}


@dataclass(frozen=True, eq=False)
class Instances(Targets):
    """M objects in N images, sorted by image.

    Attributes:
        counts: (N,) int64 objects in each image.
        sizes: (N, 2) int64 height and width of the image that the boxes lie in, in pixels.
        boxes: (M, 4) float32 x1, y1, x2, y2 in pixels; the far edge lies outside the last pixel,
            so that width is x2 - x1.
        labels: (M,) int64 class index in [0, K).
        scores: (M,) float in [0, 1] for a prediction, highest first in each image; else None.
        areas: (M,) float area in square pixels as annotated, or None: that of the box.
        crowd: (M,) bool whether a box stands for a group (COCO), or None: none does.
        difficult: (M,) bool whether an object may be missed (VOC), or None: none may.
        masks: The pixels of each of the M objects, or None where only boxes are known.
        ids: (M,) int64 identity of each over the frames of a film, from 1; None if not tracked.
    """

    counts: Tensor
    sizes: Tensor
    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None
    areas: Tensor | None = None
    crowd: Tensor | None = None
    difficult: Tensor | None = None
    masks: CroppedMasks | None = None
    ids: Tensor | None = None
    kind = "instances"
    needs = "boxes around objects"
    located = True
    description = "boxes around objects"
    _common: ClassVar[tuple[str, ...]] = ("counts", "sizes")  # fields that have no row for each object

    def __post_init__(self) -> None:
        n, m = len(self.counts), int(self.counts.sum())
        if self.sizes.shape != (n, 2) or self.boxes.shape != (m, 4):
            raise ValueError(
                f"Instances of {n} images with {m} objects need sizes ({n}, 2) and boxes ({m}, 4). "
                f"Received {tuple(self.sizes.shape)} and {tuple(self.boxes.shape)}."
            )
        for name, value in self._per_object():
            if len(value) != m:
                raise ValueError(f"Instances.{name} must have {m} entries. Received {len(value)}.")

    def _per_object(self) -> Iterator[tuple[str, Any]]:
        """Name and value of all fields that have one row an object."""
        for name in (field.name for field in fields(self) if field.name not in self._common):
            value = getattr(self, name)
            if value is not None:
                yield name, value

    def _with(self, counts: Tensor, sizes: Tensor, per_object: Mapping[str, Any]) -> Self:
        """Other objects in other images; what all objects have in common stays."""
        return replace(self, counts=counts, sizes=sizes, **per_object)

    @property
    def image(self) -> Tensor:
        """(M,) int64 index of the image of each object."""
        return torch.arange(len(self), device=self.counts.device).repeat_interleave(self.counts)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: Index) -> Self:
        """The objects of some images: a slice, a list, an index tensor, a mask or one number."""
        chosen = torch.arange(len(self), device=self.counts.device)[
            [index] if isinstance(index, int) else index
        ]
        counts, starts = self.counts[chosen], (self.counts.cumsum(0) - self.counts)[chosen]
        ends = counts.cumsum(0)
        rows = torch.arange(int(counts.sum()), device=counts.device)
        rows = rows + (starts - ends + counts).repeat_interleave(counts)
        return self._with(counts, self.sizes[chosen], {k: v[rows] for k, v in self._per_object()})

    def select(self, keep: Tensor) -> Self:
        """The objects where an (M,) mask is set; the number of images stays."""
        counts = torch.zeros_like(self.counts).index_add_(0, self.image, keep.to(self.counts.dtype))
        return self._with(counts, self.sizes, {k: v[keep] for k, v in self._per_object()})

    def reassign_images(self, image: Tensor, sizes: Tensor) -> Self:
        """Assign the objects to other images: (M,) `image`, of sizes (N, 2)."""
        order = image.argsort(stable=True)
        counts = torch.bincount(image, minlength=len(sizes))
        return self._with(counts, sizes, {k: v[order] for k, v in self._per_object()})

    def sorted_by_score(self) -> Self:
        """Sort the objects of each image by falling score."""
        assert self.scores is not None
        order = self.scores.argsort(descending=True, stable=True)
        order = order[self.image[order].argsort(stable=True)]
        return self._with(self.counts, self.sizes, {k: v[order] for k, v in self._per_object()})

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        moved = {k: v.to(device) for k, v in self._per_object()}
        return self._with(self.counts.to(device), self.sizes.to(device), moved)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """All images of several batches, in order. A flag that one part has, the others lack as False."""
        names = {name for part in parts for name, _ in part._per_object()}
        joined: dict[str, Any] = {}
        for name in sorted(names):
            values = [getattr(p, name) for p in parts]
            if name in _FLAGS:
                values = [torch.zeros_like(p.labels, dtype=torch.bool) if v is None else v
                          for p, v in zip(parts, values, strict=True)]  # fmt: skip
            elif name == "areas":
                values = [p.area() for p in parts]
            joined[name] = (CroppedMasks if name == "masks" else torch).cat(values)
        return parts[0]._with(
            torch.cat([p.counts for p in parts]), torch.cat([p.sizes for p in parts]), joined
        )

    def area(self) -> Tensor:
        """(M,) area of each object in square pixels: as annotated, else that of its box."""
        if self.areas is not None:
            return self.areas
        return (self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Self:
        """Warp and clip the objects with their images.

        Args:
            places: (N, 2, 3) affine matrices from old to new pixel coordinates.
            sizes: (N, 2) new height and width; what lies outside is cut off.
            least: Objects of whose box a smaller share is left are dropped; 0 keeps all.
        """
        image = self.image
        matrix = places.to(self.boxes)[image]
        corners = self.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(-1, 4, 2)
        corners = corners @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
        whole = torch.cat([corners.amin(1), corners.amax(1)], 1)
        far = sizes.to(self.boxes)[image].flip(1).repeat(1, 2)
        boxes = torch.minimum(whole.clamp(min=0), far)
        areas = self.areas
        if areas is not None:
            areas = areas * torch.linalg.det(matrix[:, :, :2]).abs()
        masks = None if self.masks is None else self.masks.warp(places[image.cpu()], sizes[image.cpu()])
        moved = replace(self, boxes=boxes, sizes=sizes.to(self.sizes), areas=areas, masks=masks)
        if least <= 0:
            return moved
        (w, h), (cut_w, cut_h) = ((b[:, 2:] - b[:, :2]).unbind(1) for b in (whole, boxes))
        return moved.select(cut_w * cut_h > least * (w * h).clamp(min=1e-9))

    def turned(self, places: Tensor, sizes: Tensor) -> Self:
        """The same objects in rotated images; boxes outside of their images stay outside."""
        matrix = places[self.image]
        corners = self.boxes.double().view(-1, 2, 2) @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
        boxes = torch.cat([corners.amin(1), corners.amax(1)], 1).to(self.boxes)
        masks = None if self.masks is None else self.masks.warp(matrix, sizes[self.image])
        return replace(self, boxes=boxes, sizes=sizes, masks=masks)

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> Self:
        """Merge objects of T tiles to objects of N images; see `Targets.join_tiles`.

        Of boxes of one class from different tiles that are mostly one inside the other, the one with the
        higher score stays, so that an object on the border of a tile is not counted twice.
        """
        back = torch.eye(2, 3, dtype=torch.float64).repeat(len(owner), 1, 1)
        back[:, :, 2] = torch.tensor(windows, dtype=torch.float64).reshape(-1, 4)[:, :2]
        moved = self.warp(back, sizes[owner])
        image, keep = owner[moved.image], _objects.distinct_objects(moved, owner, windows)
        return moved.select(keep).reassign_images(image[keep], sizes).sorted_by_score()

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image; classes outside [0, K) are in none."""
        present = torch.zeros(len(self), classes, dtype=torch.bool, device=self.labels.device)
        valid = (self.labels >= 0) & (self.labels < classes)
        present[self.image[valid], self.labels[valid]] = True
        return present

    def scorable(self) -> Tensor:
        """(N,) bool: which images have an object that is neither a crowd nor difficult."""
        apart = torch.zeros(len(self.labels), dtype=torch.bool)
        for flag in (self.crowd, self.difficult):
            apart |= False if flag is None else flag
        return torch.bincount(self.image[~apart], minlength=len(self)) > 0

    def class_totals(self, classes: int) -> dict[str, NDArray[np.int64]]:
        """(K,) objects of each class."""
        valid = self.labels[(self.labels >= 0) & (self.labels < classes)]
        what = "boxes" if self.masks is None else "objects"
        return {what: np.asarray(torch.bincount(valid, minlength=classes).numpy())}

    def stratify_labels(self) -> NDArray[np.int64]:
        """(N,) the rarest class in each image; -1 for images without objects."""
        return rarest_class(self.class_presence(int(self.labels.max()) + 1 if len(self.labels) else 1))

    def differs(self, other: Self) -> Tensor:
        """(N,) bool: images with another number of objects of a class."""
        classes = 1 + max([*self.labels.tolist(), *other.labels.tolist()], default=0)
        cells = (targets.image * classes + targets.labels for targets in (self, other))
        mine, others = (torch.bincount(cell, minlength=len(self) * classes) for cell in cells)
        return (mine != others).view(-1, classes).any(1)

    def statements(self) -> list[Statement]:
        """Each object of the first image, by falling score."""
        first, n = self[0], int(self.counts[0])
        scores = [float("nan")] * n if first.scores is None else first.scores.tolist()
        alone = (first.select(torch.arange(n) == i) for i in range(n))
        return [Statement(*row) for row in zip(alone, first.labels.tolist(), scores, strict=True)]

    def likeness(self, prediction: Self) -> Tensor:
        """(N,) see `object_likeness`."""
        return _objects.object_likeness(self, prediction)

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) see `object_evidence`."""
        return _objects.object_evidence(self, outputs)

    def as_prediction(self, classes: int) -> Self:
        """The same, best first in each image, or with scores of 1 where there are none."""
        del classes
        scored = self if self.scores is not None else replace(self, scores=torch.ones(len(self.labels)))
        return scored.sorted_by_score()

    def as_target(self) -> Self:
        """The same without scores."""
        return replace(self, scores=None)

    def arrays(self, i: int) -> dict[str, Any]:
        """ "size", "boxes", "labels", "scores", "parts" (of masks) and "ids" of image i."""
        objects = self[i]
        names = ("boxes", "labels", "scores", "ids")
        values = {name: getattr(objects, name) for name in names}
        whole = {"size": tuple(objects.sizes[0].tolist()), "parts": list(objects.masks or ())}
        return whole | {name: None if value is None else value.numpy() for name, value in values.items()}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Bright squares and bars on a dark background, one object per image."""
        images, boxes, labels = _objects.squares_and_bars(n, size, seed)
        targets = cls(torch.ones_like(labels), torch.full((n, 2), size), boxes, labels)
        return Synthetic(images, targets, ("square", "bar"))

    def map_classes(self, to: Tensor, classes: int) -> Self:
        """Map class i to to[i], of `classes` in all."""
        del classes
        return replace(self, labels=to[self.labels])

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: objects of each class."""
        return {"class_counts": tuple(torch.bincount(self.labels, minlength=classes).tolist())}

    def to_json(self) -> list[Any]:
        """One entry an image: {"size": [h, w], "boxes": [[x1, y1, x2, y2]], "labels": [...], ...}."""
        rows = []
        lists = {k: v.tolist() for k, v in self._per_object()}
        start = 0
        for count, size in zip(self.counts.tolist(), self.sizes.tolist(), strict=True):
            rows.append({"size": size, **{k: v[start : start + count] for k, v in lists.items()}})
            start += count
        return rows

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Self:
        """Inverse of `to_json`."""
        del classes
        return cls(**cls._fields_of(rows))

    @classmethod
    def _fields_of(cls, rows: Sequence[Any]) -> dict[str, Any]:
        """What `from_json` builds the objects from, by the name of the field."""
        joined: dict[str, Any] = {}
        for name in rows[0].keys() - {"size", *cls._common} if rows else ["boxes", "labels", "masks"]:
            flat = [x for row in rows for x in row[name]]
            kind = _TYPES.get(name, torch.float32)
            joined[name] = CroppedMasks.from_list(flat) if name == "masks" else torch.tensor(flat, dtype=kind)
        joined["boxes"] = joined["boxes"].reshape(-1, 4)
        counts = torch.tensor([len(row["labels"]) for row in rows], dtype=torch.int64)
        sizes = torch.tensor([row["size"] for row in rows], dtype=torch.int64).reshape(-1, 2)
        return {"counts": counts, "sizes": sizes, **joined}


TARGET = Instances
