"""What every kind of target can do: the annotations of N images, or the predictions for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets._windows import Window
from sightline.errors import UsageError

Index = int | slice | Sequence[int] | Tensor | NDArray[Any]
"""What chooses images: a number, a slice, a list, an index tensor or a mask."""


class Synthetic(NamedTuple):
    """A tiny generated data set with targets of one kind.

    Attributes:
        images: (N, H, W, C) uint8.
        targets: Of the N images.
        classes: Names of the classes, where there are any.
        outputs: Names of the numbers, where there are any.
    """

    images: NDArray[np.uint8]
    targets: Targets
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Targets(ABC):
    """Targets of N images: what is annotated, or what is predicted (then with scores, where there are any).

    A kind of target is this class in `core/targets/KIND.py` (its module says `TARGET`), and the arrays of one
    image, without torch, in `runtime/targets/KIND.py`. `tests/contracts/test_targets.py` holds both to this.

    Attributes:
        kind: Name of the kind, as in JSON and `TaskCard.truth`; that of its files.
        located: Whether targets lie in the image: then they have `sizes`, and move with its pixels.
        sizes: (N, 2) int64 height and width of the image that they lie in; only where they are located.
    """

    kind: ClassVar[str]
    located: ClassVar[bool] = False
    sizes: Tensor

    @property
    @abstractmethod
    def says(self) -> str:
        """What they tell of each image, for people."""

    @property
    def exclusive(self) -> bool:
        """Whether each image has exactly one class."""
        return False

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: Index) -> Self:
        """The targets of some images, in that order."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""

    @classmethod
    @abstractmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """All images of several batches, in order."""

    @abstractmethod
    def to_json(self) -> list[Any]:
        """One JSON-able entry an image."""

    @classmethod
    @abstractmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Self:
        """Inverse of `to_json`, given the number of classes."""

    @abstractmethod
    def arrays(self, i: int) -> dict[str, Any]:
        """Image i without torch: what the class of this kind in `runtime/targets/` is built from, by name."""

    @abstractmethod
    def differs(self, other: Self) -> Tensor:
        """(N,) bool: which images the other says something else of; scores do not count. An exported file is
        held against its network by it."""

    @classmethod
    @abstractmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """n images of `size` pixels a side with such targets, by which everything here can be tried."""

    def packed(self) -> Self:
        """The same in as little memory as can be, to be kept."""
        return self

    def digests(self) -> list[Any]:
        """One JSON-able entry an image, the same for the same targets on every machine."""
        return self.to_json()

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Self:
        """The same after the images were moved by (N, 2, 3) affine matrices, in pixels, and cut to (N, 2)
        heights and widths; parts of which no more than the share `least` is left are dropped."""
        del places, sizes, least
        return self

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> Self:
        """Predictions for T tiles as predictions for the N images that they are cut from.

        Args:
            owner: (T,) int64 image of each tile, rising.
            windows: Where the T tiles lie, in pixels.
            sizes: (N, 2) int64 height and width of the images.

        Raises:
            UsageError: If such targets do not lie in the image.
        """
        del owner, windows, sizes
        raise UsageError(f"--tile is for targets that lie in the image, and these are {self.says}.")

    def mix(self, other: Tensor, share: Tensor, classes: int) -> Self:
        """Targets of blended images, as mixup makes them.

        Args:
            other: (N,) number of the image that is blended in.
            share: (N,) share of the first image, in [0, 1].
            classes: Number of classes.

        Raises:
            UsageError: If such targets cannot be blended.
        """
        del other, share, classes
        raise UsageError(f"mixup and cutmix blend labels and numbers, and these targets are {self.says}.")

    def present(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image; those outside [0, K) are in none."""
        return torch.zeros(len(self), classes, dtype=torch.bool)

    def renumbered(self, to: Tensor, classes: int) -> Self:
        """The same with class i called to[i], of `classes` in all."""
        del to, classes
        return self

    def scorable(self) -> Tensor:
        """(N,) bool: which images hold anything that can be scored."""
        return torch.ones(len(self), dtype=torch.bool)

    def summary(self, classes: int) -> dict[str, Any]:
        """What `DataInfo` says of them: some of `multi`, `counts`, `range` and `statistics`."""
        del classes
        return {}

    def class_totals(self, classes: int) -> dict[str, NDArray[np.int64]]:
        """(K,) how much there is of each class beside the images that have it, by what is counted."""
        del classes
        return {}

    def stratify_labels(self) -> NDArray[np.int64] | None:
        """(N,) what a random split keeps in proportion, or None."""
        return None

    def as_prediction(self, classes: int) -> Self:
        """The same as a prediction that is certain."""
        del classes
        return self

    def as_target(self) -> Self:
        """A prediction as the annotation of its images."""
        return self


def rarest_class(present: Tensor) -> NDArray[np.int64]:
    """(N,) the rarest class in each image; -1 where there is none.

    Args:
        present: (N, K) bool.
    """
    value = present.numpy()
    rarity = np.where(value, value.sum(0), np.iinfo(np.int64).max)
    return np.where(value.any(1), rarity.argmin(1), -1)
