"""Builder of a data set of instance masks (polygons, RLE, maps) as `InstanceMasks`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.targets.bitmaps import CompressedMaps, CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.io.images import max_pixels
from sightline.data.parsing.instances import InstanceBuilder
from sightline.ops.contours import Part, Polygon, crosses, cut_out, fill, from_rle, rle_counts

SLACK = 1.0  # pixels that an outline may reach beyond the image: annotations are rounded


@dataclass(frozen=True, slots=True)
class Stamp:
    """A mask as annotated: x and y of its top left pixel, its pixels, and the size of its image."""

    x: int
    y: int
    crop: CompressedMaps
    size: tuple[int, int] | None


@dataclass
class Outlined(InstanceBuilder):
    """Builder of images and instance masks, before it is known which can be used.

    Attributes:
        broken: Objects whose mask cannot be read, with the reason.
        missing: Objects that have no mask.
    """

    things: ClassVar[str] = "objects"
    sized: ClassVar[bool] = True
    broken: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    _drawn: list[Sequence[Polygon] | Stamp] = field(default_factory=list)
    _where: list[str] = field(default_factory=list)
    _made: dict[int, tuple[int, int, CompressedMaps, int]] = field(default_factory=dict)
    _short: list[str] = field(default_factory=list)
    _outside: list[str] = field(default_factory=list)
    _crossed: list[str] = field(default_factory=list)
    _empty: list[str] = field(default_factory=list)
    _other: list[str] = field(default_factory=list)

    def polygons(self, image: int, key: Hashable, rings: Sequence[Polygon], where: str, **more: Any) -> None:
        """Add an object that is drawn as one polygon or several.

        Args:
            image: Number of the image.
            key: The class as annotated.
            rings: The polygons, in pixels or parts of `whole`.
            where: The annotation, for messages.
            more: As `box`.
        """
        whole = [ring for ring in rings if len(ring) > 2]
        if len(whole) < len(rings):
            self._short.append(where)
        if whole:
            points = np.concatenate(whole)
            with np.errstate(invalid="ignore"):
                corners = (*points.min(0).tolist(), *points.max(0).tolist())
            self._add(image, key, corners, whole, where, more)

    def stamp(
        self, image: int, key: Hashable, part: Part, where: str, size: tuple[int, int] | None, **more: Any
    ) -> None:
        """Add an object by its mask; `size` is the (height, width) of what it was made for, if known."""
        x, y, crop = cut_out(part[2], *part[:2])
        if not crop.size:
            self._empty.append(where)
            return
        h, w = crop.shape
        unit = 1.0 if self.whole is None or size is None else self.whole / np.tile(size[::-1], 2)
        corners = (np.array([x, y, x + w, y + h]) * unit).tolist()
        self._add(image, key, corners, Stamp(x, y, CompressedMaps.of_mask(crop), size), where, more)

    def _add(
        self, image: int, key: Hashable, corners: Sequence[float], drawn: Sequence[Polygon] | Stamp,
        where: str, more: dict[str, Any],
    ) -> None:  # fmt: skip
        self.box(image, key, corners, **more)
        self._drawn.append(drawn)
        self._where.append(where)

    def _usable(
        self, usable: np.ndarray, known_sizes: np.ndarray, sizes: np.ndarray, keys: Sequence[Hashable]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """As for boxes; and the masks are made, so that those which cannot be are left out too."""
        use, boxes, image, label = super()._usable(usable, known_sizes, sizes, keys)
        for row in use.tolist():
            height, width = sizes[image[row]].tolist()
            part = self._mask(row, height, width)
            if part is not None and part[2].any():
                self._made[row] = (*part[:2], CompressedMaps.of_mask(part[2]), int(part[2].sum()))
            elif part is not None:
                self._empty.append(self._where[row])
        self._notes()
        return use[[row in self._made for row in use.tolist()]], boxes, image, label

    def _mask(self, row: int, height: int, width: int) -> Part | None:
        """The mask of one object in its image, or None where there can be none."""
        drawn, where = self._drawn[row], self._where[row]
        if isinstance(drawn, Stamp):
            if drawn.size not in (None, (height, width)):
                self._other.append(f"{where} ({drawn.size} in an image of {(height, width)})")
                return None
            part = _within((drawn.x, drawn.y, drawn.crop.read()), height, width)
            if part[2].size and part[2].shape != drawn.crop.shape:
                self._outside.append(where)
            return part
        scale = 1.0 if self.whole is None else np.array([width, height]) / self.whole
        rings = [ring * scale for ring in drawn]
        points = np.concatenate(rings)
        near, far = points.min(0), points.max(0)
        if float((far.clip(0, (width, height)) - near.clip(0, (width, height))).prod()) > max_pixels():
            self.broken.append(f"{where} (covers more than {max_pixels():,} pixels)")
            return None
        if any(crosses(ring) for ring in rings):
            self._crossed.append(where)
        part = fill(rings, height, width)
        beyond = (near < -SLACK).any() or (far > np.array([width, height]) + SLACK).any()
        if beyond and part[2].size:
            self._outside.append(where)
        return part

    def _notes(self) -> None:
        """Findings on the masks."""
        what = "objects have no mask, and were left out"
        self.note(
            "instance-masks-missing", "error", self.missing, what, "Draw their outlines, or export them too."
        )
        what = "masks or polygons cannot be read, and were left out"
        fix = "Mend these annotations, or export them again."
        self.note("polygons-broken", "error", self.broken, what, fix)
        what = "masks have another size (height, width) than their image, and were left out"
        fix = "Use the images that were annotated; masks are not scaled by guess."
        self.note("mask-sizes-differ", "error", self._other, what, fix)
        what = "objects have polygons of fewer than three points, which were left out"
        self.note("polygons-too-short", "warning", self._short, what, "Take them out, or draw them anew.")
        what = f"outlines reach more than {SLACK:g} pixel beyond their image, and were cut at its edge"
        fix = "Nothing, if the objects are cut by the edge; else draw them anew."
        self.note("instance-masks-outside", "warning", self._outside, what, fix)
        what = "polygons cross themselves; what is enclosed twice counts as outside (even-odd rule)"
        self.note(
            "polygons-self-intersecting", "warning", self._crossed, what, "Draw them anew, or look at them."
        )
        what = "objects cover the middle of no pixel of their image, and were left out"
        self.note("instance-masks-empty", "warning", self._empty, what, "Take them out, or draw them anew.")

    def _targets(
        self, order: np.ndarray, boxes: np.ndarray, image: np.ndarray, label: np.ndarray, sizes: np.ndarray
    ) -> Instances:
        """The objects of some rows, in that order; boxes are those around the masks."""
        plain = super()._targets(order, boxes, image, label, sizes)
        masks_made = [self._made[row] for row in order.tolist()]
        corners = torch.tensor([part[:2] for part in masks_made], dtype=torch.int64).reshape(-1, 2)
        masks = CroppedMasks(corners, tuple(part[2] for part in masks_made))
        areas = np.array(self._area, dtype=np.float64)[order]
        mask_areas = np.array([part[3] for part in masks_made], dtype=np.float64)
        areas = np.where(np.isfinite(areas) & (areas >= 0), areas, mask_areas).astype(np.float32)
        return InstanceMasks(
            plain.counts, plain.sizes, masks.boxes(), plain.labels, plain.scores,
            areas=torch.from_numpy(areas), crowd=plain.crowd, difficult=plain.difficult, masks=masks,
        )  # fmt: skip


def ring(values: Any) -> Polygon | None:
    """(P, 2) points of a flat list x1, y1, x2, y2, ..., or None where it is something else."""
    array = values
    if isinstance(values, list):
        try:
            array = np.asarray(values)
        except ValueError:
            return None
    if not isinstance(array, np.ndarray) or array.ndim != 1 or len(array) % 2:
        return None
    return array.reshape(-1, 2).astype(np.float64) if array.dtype.kind in "iuf" or not len(array) else None


def decoded(code: dict[str, Any]) -> tuple[Part, tuple[int, int]]:
    """The mask of one of COCO's run-length codes, plain or as text; and its height and width.

    Raises:
        ValueError: If it has no size, or the counts do not fit it; the text is for a finding.
    """
    size, counts = code.get("size"), code.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(s) is int and s > 0 for s in size):
        raise ValueError(f"size {size!r:.40} is not [height, width]")
    if size[0] * size[1] > max_pixels():
        raise ValueError(f"size {size} is above the limit of {max_pixels():,} pixels")
    if isinstance(counts, str):
        counts = rle_counts(counts)
    if not isinstance(counts, list):
        raise ValueError("it has neither a list nor a text of counts")
    return cut_out(from_rle(counts, *size)), (size[0], size[1])


def _within(part: Part, height: int, width: int) -> Part:
    """The part of a mask that lies in the image."""
    x, y, crop = part
    inside: NDArray[np.uint8] = crop[max(-y, 0) : max(height - y, 0), max(-x, 0) : max(width - x, 0)]
    return part if inside.shape == crop.shape else cut_out(inside, max(x, 0), max(y, 0))
