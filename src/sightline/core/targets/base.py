"""Base class of targets: the annotations of N images, or the predictions for them."""

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
    """A tiny synthetic data set with targets of one kind.

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


class Statement(NamedTuple):
    """One thing that a prediction says of an image, such as one of its objects.

    Attributes:
        about: A prediction of one image that says this alone: a class, a number, an object, a region.
        label: Index of its class, or of its number; -1 where there is none.
        score: Its score; of a number the number, of a region its share of the image; nan where there is none.
    """

    about: Targets
    label: int
    score: float


class Targets(ABC):
    """Targets of N images: annotations, or predictions (with scores, if there are any).

    A kind of target is this class in `core/targets/KIND.py` (its module says `TARGET`), and the arrays of one
    image, without torch, in `runtime/targets/KIND.py`. `tests/contracts/test_targets.py` holds both to this.

    Attributes:
        kind: Name of the kind, as in JSON and `TaskCard.target_type`; that of its files.
        needs: What data must hold to have such targets, in words.
        located: Whether targets lie in the image: then they have `sizes`, and move with its pixels.
        sizes: (N, 2) int64 height and width of the image that they lie in; only where they are located.
    """

    kind: ClassVar[str]
    needs: ClassVar[str]
    located: ClassVar[bool] = False
    sizes: Tensor

    @property
    @abstractmethod
    def description(self) -> str:
        """Description of each image's target, for people."""

    @property
    def exclusive(self) -> bool:
        """Whether each image has exactly one class."""
        return False

    @property
    def mirrors(self) -> bool | None:
        """Whether a mirrored image has such a target too: True, False (it is unknown), or None where the
        images decide: yes for color, no for gray (characters).
        """
        return None

    @property
    def mirror_reason(self) -> str:
        """What mirroring an image does to its target, in words; "" where nothing needs to be said."""
        return ""

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
        """One JSON-able entry for each image."""

    @classmethod
    @abstractmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Self:
        """Inverse of `to_json`, given the number of classes."""

    @abstractmethod
    def arrays(self, i: int) -> dict[str, Any]:
        """Image i without torch: the arguments of the class of this kind in `runtime/targets/`, by name."""

    @abstractmethod
    def differs(self, other: Self) -> Tensor:
        """(N,) bool: images for which the other object says something else, apart from scores. The export
        validation uses it to compare a file with its network.
        """

    @classmethod
    @abstractmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """n images of `size` pixels a side with such targets, for tests of all methods."""

    def compressed(self) -> Self:
        """A compressed copy, for storage in memory."""
        return self

    def digests(self) -> list[Any]:
        """One JSON-able entry for each image, the same for equal targets on every machine."""
        return self.to_json()

    def warp(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Self:
        """Warp: the same targets after their images were transformed by (N, 2, 3) affine matrices, in
        pixels, and clipped to (N, 2) heights and widths; parts with a remaining share of at most `least`
        are dropped.
        """
        del places, sizes, least
        return self

    def turned(self, places: Tensor, sizes: Tensor) -> Self:
        """The same targets after whole images were rotated by 90 degrees or mirrored: nothing is clipped."""
        return self.warp(places, sizes)

    def join_tiles(self, owner: Tensor, windows: Sequence[Window], sizes: Tensor) -> Self:
        """Merge predictions for T tiles to predictions for N images.

        Args:
            owner: (T,) int64 image of each tile, rising.
            windows: Where the T tiles lie, in pixels.
            sizes: (N, 2) int64 height and width of the images.

        Raises:
            UsageError: If such targets do not lie in the image.
        """
        del owner, windows, sizes
        raise UsageError(
            f"--tile-size is for targets that lie in the image, and these are {self.description}."
        )

    def mix(self, other: Tensor, share: Tensor, classes: int) -> Self:
        """Targets of blended images, for mixup.

        Args:
            other: (N,) number of the image that is blended in.
            share: (N,) share of the first image, in [0, 1].
            classes: Number of classes.

        Raises:
            UsageError: If such targets cannot be blended.
        """
        del other, share, classes
        raise UsageError(
            f"mixup and cutmix blend labels and numbers, and these targets are {self.description}."
        )

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image; classes outside [0, K) are in none."""
        return torch.zeros(len(self), classes, dtype=torch.bool)

    def map_classes(self, to: Tensor, classes: int) -> Self:
        """Map class i to to[i], of `classes` in all."""
        del to, classes
        return self

    def scorable(self) -> Tensor:
        """(N,) bool: images with anything that can be scored."""
        return torch.ones(len(self), dtype=torch.bool)

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: of `multilabel`, `class_counts`, `output_stats` and `statistics`."""
        del classes
        return {}

    def class_totals(self, classes: int) -> dict[str, NDArray[np.int64]]:
        """(K,) amount of each class (objects, pixels), beside the number of images; by the name of the
        unit.
        """
        del classes
        return {}

    def stratify_labels(self) -> NDArray[np.int64] | None:
        """(N,) labels for a stratified split, or None."""
        return None

    def mismatch(self, prediction: Self) -> str:
        """Reason why a prediction cannot be one for these items, in words; "" if it can."""
        if not self.located:
            return ""
        differ = ((self.sizes != prediction.sizes) & (self.sizes > 0) & (prediction.sizes > 0)).any(1)
        if not differ.any():
            return ""
        (h, w), (other_h, other_w) = (t.sizes[int(differ.nonzero()[0])].tolist() for t in (self, prediction))
        return f"an item is {w} x {h} pixels in the annotations and {other_w} x {other_h} in the predictions"

    def readings(self) -> dict[str, Self]:
        """Other readings of the annotations, by words that follow "with": their scores are told beside."""
        return {}

    def statements(self) -> list[Statement]:
        """What the first image's prediction says, one by one, the most certain first; by default as one."""
        return [Statement(self[0], -1, float("nan"))]

    def likeness(self, prediction: Self) -> Tensor:
        """(N,) in [0, 1]: how much another prediction of the same images still says what this one says; by
        default 1 where it says the same and else 0. Explanations without gradients rest on it.
        """
        return (~self.differs(prediction)).float()

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) differentiable: how strongly the outputs of a network speak for what this says.

        Args:
            outputs: Those of `Model.forward`, and over them those of `Model.postprocess`.

        Raises:
            UsageError: If such a target has no such number.
        """
        del outputs
        raise UsageError(f"There are no gradients of {self.description}: choose a method without gradients.")

    def as_prediction(self, classes: int) -> Self:
        """The targets as a prediction with full confidence."""
        del classes
        return self

    def as_target(self) -> Self:
        """A prediction as the annotation of its images."""
        return self


def rarest_class(present: Tensor) -> NDArray[np.int64]:
    """(N,) rarest class in each image; -1 if there is none.

    Args:
        present: (N, K) bool.
    """
    value = present.numpy()
    rarity = np.where(value, value.sum(0), np.iinfo(np.int64).max)
    return np.where(value.any(1), rarity.argmin(1), -1)
