"""Tracks: boxes with an identity in the frames of sequences, the target of multi-object tracking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets._windows import Window
from sightline.core.targets.base import Index, Synthetic, Targets

_TYPES = dict.fromkeys(("frames", "ids", "labels", "roles"), torch.int64) | {"ignored": torch.bool}
OTHER_CLASS, DISTRACTOR = 1, 2
"""Roles of boxes that are not scored; 0 is scored."""


@dataclass(frozen=True, eq=False)
class Tracks(Targets):
    """M boxes in N sequences, sorted by sequence, then by frame.

    Attributes:
        counts: (N,) int64 boxes of each sequence.
        sizes: (N, 2) int64 height and width of the frames in pixels; 0 where unknown.
        lengths: (N,) int64 frames of each sequence.
        rates: (N,) float64 frames per second; nan where unknown.
        frames: (M,) int64 frame of each box, counted from 1 as in MOTChallenge.
        ids: (M,) int64 identity of each box within its sequence; of a detection -1.
        boxes: (M, 4) float64 x1, y1, x2, y2 in pixels. A box may reach out of its frame.
        labels: (M,) int64 class index; -1 where no class is given.
        scores: (M,) float64 confidence of a prediction, in any range; else None.
        ignored: (M,) bool whether an annotation is not to be considered (flag 0 of MOTChallenge), or None.
        roles: (M,) int64 what scoring does with the class of an annotation: 0 scores it, `OTHER_CLASS` leaves
            it out, `DISTRACTOR` leaves it out with the predictions on it; or None: all are scored.
        visibility: (M,) float64 share of each object that is seen, or None.
    """

    counts: Tensor
    sizes: Tensor
    lengths: Tensor
    rates: Tensor
    frames: Tensor
    ids: Tensor
    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None
    ignored: Tensor | None = None
    roles: Tensor | None = None
    visibility: Tensor | None = None
    kind = "tracks"
    needs = "boxes with an identity in the frames of sequences"
    located = True
    description = "boxes with an identity in the frames of each sequence"

    def __post_init__(self) -> None:
        n, m = len(self.counts), int(self.counts.sum())
        if self.sizes.shape != (n, 2) or len(self.lengths) != n or len(self.rates) != n:
            raise ValueError(f"Tracks of {n} sequences need a size, length and frame rate of each.")
        for name, value in self._per_box():
            if len(value) != m:
                raise ValueError(f"Tracks.{name} must have {m} entries. Received {len(value)}.")

    @classmethod
    def of(
        cls,
        rows: Sequence[Any],
        sizes: Sequence[Sequence[int]],
        lengths: Sequence[int] | None = None,
        rates: Sequence[float] | None = None,
    ) -> Tracks:
        """From one array for each sequence.

        Args:
            rows: N of (M, 6), (M, 7) or (M, 8), all alike: frame from 1, identity, x1, y1, x2, y2, perhaps
                score, perhaps class index.
            sizes: N heights and widths of the frames in pixels; 0 where unknown.
            lengths: N numbers of frames; by default the last frame with a box.
            rates: N frames per second; by default unknown.
        """
        parts = [torch.as_tensor(np.asarray(part, dtype=np.float64)) for part in rows]
        width = max((part.shape[1] for part in parts if part.ndim == 2), default=6)
        parts = [part.reshape(-1, width) for part in parts]
        parts = [part[part[:, 0].argsort(stable=True)] for part in parts]
        joined = torch.cat(parts) if parts else torch.zeros(0, width, dtype=torch.float64)
        ends = [int(part[-1, 0]) if len(part) else 0 for part in parts]
        return cls(
            torch.tensor([len(part) for part in parts], dtype=torch.int64),
            torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2),
            torch.tensor(ends if lengths is None else list(lengths), dtype=torch.int64),
            torch.tensor([torch.nan] * len(parts) if rates is None else list(rates), dtype=torch.float64),
            joined[:, 0].long(),
            joined[:, 1].long(),
            joined[:, 2:6],
            joined[:, 7].long() if width > 7 else torch.full((len(joined),), -1),
            joined[:, 6] if width > 6 else None,
        )

    def _per_box(self) -> Iterator[tuple[str, Tensor]]:
        """Name and value of all fields that have one row a box."""
        for field in fields(self)[4:]:
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def _with(self, rows: Tensor, chosen: Tensor, counts: Tensor) -> Tracks:
        """Some rows, as the boxes of some sequences."""
        whole = (self.sizes[chosen], self.lengths[chosen], self.rates[chosen])
        return Tracks(counts, *whole, **{k: v[rows] for k, v in self._per_box()})

    @property
    def sequence(self) -> Tensor:
        """(M,) int64 index of the sequence of each box."""
        return torch.arange(len(self), device=self.counts.device).repeat_interleave(self.counts)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: Index) -> Tracks:
        """The boxes of some sequences: a slice, a list, an index tensor, a mask or one number."""
        every = torch.arange(len(self), device=self.counts.device)
        chosen = every[[index] if isinstance(index, int) else index]
        counts, starts = self.counts[chosen], (self.counts.cumsum(0) - self.counts)[chosen]
        rows = torch.arange(int(counts.sum()), device=counts.device)
        rows = rows + (starts - counts.cumsum(0) + counts).repeat_interleave(counts)
        return self._with(rows, chosen, counts)

    def select(self, keep: Tensor) -> Tracks:
        """The boxes where an (M,) mask is set; the number of sequences stays."""
        counts = torch.zeros_like(self.counts).index_add_(0, self.sequence, keep.to(self.counts.dtype))
        return self._with(keep, torch.arange(len(self)), counts)

    def to(self, device: torch.device | str) -> Tracks:
        """The same on another device."""
        return replace(self, **{k: v.to(device) for k, v in vars(self).items() if v is not None})

    @classmethod
    def cat(cls, parts: Sequence[Tracks]) -> Tracks:
        """All sequences of several batches, in order; what one part has not is score 1, no flag, visible."""
        names = dict.fromkeys(name for part in parts for name, _ in part._per_box())
        joined = {name: torch.cat([part._filled(name) for part in parts]) for name in names}
        first = ("counts", "sizes", "lengths", "rates")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in first), **joined)

    def _filled(self, name: str) -> Tensor:
        value: Tensor | None = getattr(self, name)
        if value is not None:
            return value
        fill = float(name in ("scores", "visibility"))
        return torch.full((len(self.ids),), fill, device=self.ids.device).to(_TYPES.get(name, torch.float64))

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Tracks:
        """Transform the boxes with their frames. Boxes are not clipped, as trackers predict beyond the frame.

        Args:
            places: (N, 2, 3) affine matrices from old to new pixel coordinates.
            sizes: (N, 2) new height and width.
            least: Boxes of which a smaller share lies in the new frame are dropped; 0 keeps all.
        """
        matrix = places.to(self.boxes)[self.sequence]
        corners = self.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(-1, 4, 2)
        corners = corners @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
        whole = torch.cat([corners.amin(1), corners.amax(1)], 1)
        moved = replace(self, boxes=whole, sizes=sizes.to(self.sizes))
        if least <= 0:
            return moved
        far = sizes.to(whole)[self.sequence].flip(1).repeat(1, 2)
        inside = torch.minimum(whole.clamp(min=0), far)
        shares = [(box[:, 2:] - box[:, :2]).prod(1) for box in (inside, whole)]
        return moved.select(shares[0] > least * shares[1].clamp(min=1e-9))

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> Tracks:
        """All boxes of T tiles, in the pixels of N sequences; nothing is merged."""
        back = torch.eye(2, 3, dtype=torch.float64).repeat(len(owner), 1, 1)
        back[:, :, 2] = torch.tensor(windows, dtype=torch.float64).reshape(-1, 4)[:, :2]
        moved = self.warp(back, sizes[owner])
        sequence = owner[moved.sequence]
        order = moved.frames.argsort(stable=True)
        order = order[sequence[order].argsort(stable=True)]
        first = torch.tensor([int((owner == i).nonzero()[0]) for i in range(len(sizes))])
        counts = torch.bincount(sequence, minlength=len(sizes))
        return moved._with(order, first, counts)

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each sequence."""
        present = torch.zeros(len(self), classes, dtype=torch.bool, device=self.labels.device)
        valid = (self.labels >= 0) & (self.labels < classes)
        present[self.sequence[valid], self.labels[valid]] = True
        return present

    def class_totals(self, classes: int) -> dict[str, NDArray[np.int64]]:
        """(K,) boxes of each class."""
        labels = self.labels[(self.labels >= 0) & (self.labels < classes)]
        return {"boxes": np.bincount(labels, minlength=classes)} if classes else {}

    def map_classes(self, to: Tensor, classes: int) -> Tracks:
        """Map class i to to[i]; boxes without a class stay without."""
        del classes
        table = torch.cat([to, torch.tensor([-1])])
        return replace(self, labels=table[self.labels])

    def scored(self) -> Tensor:
        """(M,) bool: which boxes count as objects: neither their flag nor their class sets them aside."""
        return ~self._filled("ignored") & (self._filled("roles") == 0)

    def scorable(self) -> Tensor:
        """(N,) bool: which sequences have a box that is scored."""
        return torch.bincount(self.sequence[self.scored()], minlength=len(self)) > 0

    def differs(self, other: Tracks) -> Tensor:
        """(N,) bool: sequences with other frames or identities, or boxes more than 0.01 pixels away."""
        both = [torch.cat([t.frames[:, None], t.ids[:, None], t.boxes], 1) for t in (self, other)]
        parts = [torch.split(both[0], self.counts.tolist()), torch.split(both[1], other.counts.tolist())]
        pairs = zip(*parts, strict=True)
        return torch.tensor([a.shape != b.shape or bool(((a - b).abs() > 0.01).any()) for a, b in pairs])

    def as_prediction(self, classes: int) -> Tracks:
        """The annotated boxes with scores of 1; flags go."""
        del classes
        scores = torch.ones(len(self.ids), dtype=torch.float64) if self.scores is None else self.scores
        return replace(self, scores=scores, ignored=None, roles=None, visibility=None)

    def as_target(self) -> Tracks:
        """The same without scores."""
        return replace(self, scores=None)

    def mismatch(self, prediction: Tracks) -> str:
        """See `Targets.mismatch`; boxes after the last frame are none of the sequence."""
        over = int((prediction.frames > self.lengths[prediction.sequence]).sum())
        return f"{over:,} boxes lie after the last frame" if over else super().mismatch(prediction)

    def readings(self) -> dict[str, Tracks]:
        """With all classes as objects, where some are set aside."""
        return {} if self.roles is None else {"all classes as objects": replace(self, roles=None)}

    def arrays(self, i: int) -> dict[str, Any]:
        """Sequence i as the fields of `runtime.targets.tracks.TrackArrays`."""
        part = self[i]
        values = {name: getattr(part, name) for name in ("frames", "ids", "boxes", "labels", "scores")}
        return {
            "size": tuple(part.sizes[0].tolist()),
            "length": int(part.lengths[0]),
            **{name: None if value is None else value.numpy() for name, value in values.items()},
        }

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Squares that move along rows over 10 frames, each hidden in one. The image shows all positions."""
        rng, length, side = np.random.default_rng(seed), 10, max(2, size // 6)
        images = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8)
        tracks = []
        for image in images:
            rows = []
            for identity in range(1, int(rng.integers(1, max(1, size // (2 * side)) + 1)) + 1):
                hidden, top = int(rng.integers(2, length)), 2 * side * (identity - 1) + side // 2
                left = np.linspace(0, size - side, length)[:: int(rng.choice([-1, 1]))] * rng.uniform(0.5, 1)
                for frame in (f for f in range(1, length + 1) if f != hidden):
                    x = float(left[frame - 1])
                    image[top : top + side, round(x) : round(x) + side] = 20 * frame + 50
                    rows.append([frame, identity, x, top, x + side, top + side])
            tracks.append(rows)
        return Synthetic(images, cls.of(tracks, [(size, size)] * n, [length] * n, [25.0] * n))

    def to_json(self) -> list[Any]:
        """One entry a sequence: {"size": [h, w], "length": T, "rate": R, "frames": [...], ...}."""
        lists = {k: v.tolist() for k, v in self._per_box()}
        rows, start = [], 0
        facts = zip(
            self.counts.tolist(), self.sizes.tolist(), self.lengths.tolist(), self.rates.tolist(), strict=True
        )
        for count, size, length, rate in facts:
            whole = {"size": size, "length": length, "rate": None if rate != rate else rate}
            rows.append({**whole, **{k: v[start : start + count] for k, v in lists.items()}})
            start += count
        return rows

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Tracks:
        """Inverse of `to_json`."""
        del classes
        names = [k for k in rows[0] if k not in ("size", "length", "rate")] if rows else []
        joined: dict[str, Tensor] = {}
        for name in names or ("frames", "ids", "boxes", "labels"):
            flat = [x for row in rows for x in row[name]]
            joined[name] = torch.tensor(flat, dtype=_TYPES.get(name, torch.float64))
        joined["boxes"] = joined["boxes"].reshape(-1, 4)
        rates = [torch.nan if row["rate"] is None else row["rate"] for row in rows]
        return cls(
            torch.tensor([len(row["ids"]) for row in rows], dtype=torch.int64),
            torch.tensor([row["size"] for row in rows], dtype=torch.int64).reshape(-1, 2),
            torch.tensor([row["length"] for row in rows], dtype=torch.int64),
            torch.tensor(rates, dtype=torch.float64),
            **joined,
        )


TARGET = Tracks
