"""Dataset: items on disk or in memory, with targets, classes, splits and groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from sightline.core.report import Finding
from sightline.core.sample import Sample
from sightline.core.targets.base import Targets
from sightline.errors import DataError

T = TypeVar("T", bound=Targets)
SPLITS = ("train", "val", "test")


class Pixels(Protocol):
    """Source of images: files that are decoded, or an array in memory."""

    def __len__(self) -> int: ...

    def read(self, i: int) -> np.ndarray:
        """Item i, the channels last: of an image (H, W, C) uint8, C is 3 or 1. Raises UnreadableImage."""
        ...

    def subset(self, indices: np.ndarray) -> Pixels:
        """The same source with some of the images, in another order or fewer."""
        ...

    def digest(self, i: int) -> str:
        """Digest of the stored bytes of image i."""
        ...


@dataclass(frozen=True)
class Classes:
    """The class table: index (in the network), id (in the annotations), name.

    Attributes:
        names: Name of each class, in index order.
        ids: Explicit id of each class as annotated; may have holes. Defaults to 0 .. K-1.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.ids:
            object.__setattr__(self, "ids", tuple(range(len(self.names))))
        if len(self.ids) != len(self.names) or len(set(self.ids)) != len(self.ids):
            raise ValueError(f"Each class needs one id of its own. Received {self.names} and {self.ids}.")

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Dataset:
    """A set of images with targets, classes, splits and groups. Reading never changes or drops a user's file.

    Attributes:
        name: Short name, used for run folders.
        format: Name of the format it was read as.
        ids: Unique name of each item: its path below `root`, or "train/00042".
        pixels: Where the images come from.
        targets: Target of all items; the first axis is the item.
        classes: Class table, or None where the target has none.
        splits: (N,) "train", "val", "test" or "" (not given), as the data say.
        groups: (N,) name of the group each item belongs to, or None where unknown.
        sequences: (N,) name of the video or series that each item is a part of, or None where unknown.
        frames: (N,) int64 place of each item in its sequence, or None where there are no sequences.
        columns: Further columns of the table that the data were read from, by name: (N,) text of each item.
        root: Folder or file it was read from; None for what lives in memory.
        outputs: Names of the numbers, for regression.
        recast: What `Task.recast` did to make these items, JSON-able; it goes to `DataInfo.statistics`.
        read_findings: What could not be used or looks wrong; nothing is dropped without one of these.
        messages: What was recognised and why, for the user to read.
    """

    name: str
    format: str
    ids: Sequence[str]
    pixels: Pixels
    targets: Targets
    classes: Classes | None = None
    splits: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=object))
    groups: np.ndarray | None = None
    sequences: np.ndarray | None = None
    frames: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    root: Path | None = None
    outputs: tuple[str, ...] = ()
    recast: Mapping[str, Any] = field(default_factory=dict)
    read_findings: tuple[Finding, ...] = ()
    messages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.splits) == 0 and len(self.ids):
            object.__setattr__(self, "splits", np.full(len(self.ids), "", dtype=object))
        lengths = {"pixels": len(self.pixels), "targets": len(self.targets), "splits": len(self.splits)}
        lengths |= {f"column '{name}'": len(values) for name, values in self.columns.items()}
        for name in ("groups", "sequences", "frames"):
            if getattr(self, name) is not None:
                lengths[name] = len(getattr(self, name))
        wrong = {k: n for k, n in lengths.items() if n != len(self.ids)}
        if wrong:
            raise ValueError(
                f"A data set of {len(self.ids)} ids must have as many of each. Received {wrong}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> Sample:
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(self.pixels.read(i), -1, 0)))
        return Sample(image, self.targets[i], self.ids[i])

    @property
    def target_type(self) -> str:
        """Name of the target type."""
        return self.targets.kind

    def targets_as(self, wanted: type[T]) -> T:
        """The targets, for what can be done with one kind only.

        Raises:
            DataError: If they are of another kind.
        """
        if not isinstance(self.targets, wanted):
            raise DataError(f"{self.name} has {self.targets.description}; '{wanted.kind}' is wanted here.")
        return self.targets

    @property
    def input(self) -> str:
        """Kind of input that an item is, as the source of its pixels says: "image" where it says nothing."""
        kind: str = getattr(self.pixels, "input", "image")
        return kind

    def subset(self, indices: Sequence[int] | np.ndarray) -> Dataset:
        """The items at `indices`, in that order."""
        where = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            ids=[self.ids[i] for i in where],
            pixels=self.pixels.subset(where),
            targets=self.targets[torch.from_numpy(where)],
            splits=self.splits[where],
            **self.of_items(where),
        )

    def of_items(self, where: np.ndarray) -> dict[str, Any]:
        """What else is known of some items: groups, sequences, frames and columns, as fields."""
        names = ("groups", "sequences", "frames")
        values = {name: getattr(self, name) for name in names}
        chosen = {name: None if value is None else value[where] for name, value in values.items()}
        return {**chosen, "columns": {name: column[where] for name, column in self.columns.items()}}

    def indices_of(self, split: str) -> np.ndarray:
        """Indices of the items of one split."""
        return np.flatnonzero(self.splits == split)

    def with_splits(self, splits: np.ndarray) -> Dataset:
        """The same items with other splits."""
        return replace(self, splits=splits)

    def fingerprint(self) -> str:
        """Digest of names, targets, classes and stored bytes: equal data, equal fingerprint.

        The order of items and the split do not matter.
        """
        targets = self.targets.digests()
        rows = sorted(
            f"{self.ids[i]}\0{json.dumps(targets[i])}\0{self.pixels.digest(i)}" for i in range(len(self))
        )
        names = self.classes.names if self.classes else self.outputs
        whole = hashlib.blake2b(json.dumps(list(names)).encode(), digest_size=16)
        for row in rows:
            whole.update(row.encode())
        return whole.hexdigest()
