"""What every kind of target can do for one image, with numpy and Pillow alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.targets._windows import Window
from ...errors import UsageError
from ...ops.draw import Colour, captioned
from .. import resize
from ..rows import Row

Outputs = Mapping[str, NDArray[Any]]
Settings = Mapping[str, Any]
Image = NDArray[np.uint8]
Rule = Callable[[Any], bool]


class TargetArrays(ABC):
    """The target of one image: what is annotated, or what is predicted.

    A kind is this class in `runtime/targets/KIND.py`, whose module says `TARGET`, beside
    `core/targets/KIND.py`. Its fields are what `Targets.arrays` gives.

    Attributes:
        kind: Name of the kind, as in JSON; that of its file.
        located: Whether it lies in the image, so that tiles can be joined.
        objects: Whether it holds objects with boxes, classes and scores.
        maps: Whether it holds a class for each pixel.
        outputs: Of the network, that it is decoded from.
        placed: Whether these outputs can be given in the pixels of a stored image by the file itself.
        lists: What `codes` gives, by name; a table has a column for each.
    """

    kind: ClassVar[str]
    located: ClassVar[bool] = False
    objects: ClassVar[bool] = False
    maps: ClassVar[bool] = False
    outputs: ClassVar[tuple[str, ...]] = ()
    placed: ClassVar[bool] = False
    lists: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def needed(cls, names: Collection[str]) -> tuple[str, ...]:
        """Those of the outputs that it is decoded from, given the names of all that a file has."""
        del names
        return cls.outputs

    @classmethod
    def rules(cls) -> Mapping[str, Rule]:
        """What must hold of the settings that `decode` reads, by name."""
        return {}

    @classmethod
    @abstractmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Self:
        """The prediction for one image, in the pixels of the stored image.

        Args:
            outputs: Of the network, for this image.
            settings: Of the model.
            stored: Height and width of the stored image.
        """

    @abstractmethod
    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """One flat row, for CSV and tables.

        Args:
            names: Of the classes.
            outputs: Of the numbers.
        """

    def details(self, names: Sequence[str]) -> Row:
        """What a line of JSON says beside the row: lists, such as the boxes."""
        del names
        return {}

    def codes(self) -> Row:
        """What a line of JSON says last, since it is long: such as the masks of objects."""
        return {}

    @classmethod
    def columns(cls, row: Row) -> list[str]:
        """Of a table, given the row of an image with its path."""
        return list(row)

    def table(self, row: Row, names: Sequence[str]) -> list[Row]:
        """The rows of a table, given the row of the image with its path: one an image, or one an object."""
        del names
        return [row]

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image | None:
        """The image with what lies in it drawn in, as large as it is; None where nothing lies in it.

        Args:
            image: (H, W, C) uint8.
            names: Of the classes.
            most: Objects up to which each has its name written; None for any number.
        """
        del image, names, most
        return None

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """The image with all that is said of it; left as it is, the row is written under it.

        Returns:
            (H', W', 3) uint8; small images are enlarged so that words fit.
        """
        del names
        values = [v for k, v in row.items() if k not in ("path", "seconds") and not k.startswith("p(")]
        return captioned(image, " ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values))

    def legend(self, names: Sequence[str]) -> list[tuple[str, Colour]]:
        """Words and colours that explain `draw`."""
        del names
        return []

    def mistakes(self, image: Image, target: Self) -> Image | None:
        """The image with what differs from the target drawn in; None where that cannot be drawn."""
        del image, target
        return None

    def least(self, score: float | NDArray[np.float32]) -> Self:
        """Of objects those whose score is at least so high: one for all, or (K,) of each class."""
        del score
        return self

    def compressed(self) -> Any:
        """The same in as little memory as can be, for `join_tiles`."""
        return self

    @classmethod
    def join_tiles(cls, parts: Sequence[Any], tiles: Sequence[Window], size: tuple[int, int]) -> Self:
        """The prediction for an image from those for its tiles.

        Args:
            parts: `compressed` of each tile.
            tiles: Where they lie.
            size: Height and width of the image.

        Raises:
            UsageError: If it does not lie in the image.
        """
        del parts, tiles, size
        raise UsageError(f"Predictions of kind '{cls.kind}' do not lie in the image: tiles cannot be joined.")


def way_back(settings: Settings, stored: tuple[int, int]) -> NDArray[np.float64]:
    """(2, 3) affine matrix from the pixels of the input to those of the stored image."""
    return resize.back(stored, tuple(settings["size"]), settings["fit"])
