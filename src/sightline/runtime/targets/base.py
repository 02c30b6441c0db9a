"""Base class of targets of one image, with numpy and Pillow alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...core.targets._windows import Window
from ...errors import UsageError
from ...ops.draw import Color, captioned
from .. import resize
from ..rows import Row

Outputs = Mapping[str, NDArray[Any]]
Settings = Mapping[str, Any]
Image = NDArray[np.uint8]
Rule = Callable[[Any], bool]


class TargetArrays(ABC):
    """Target of one image: an annotation, or a prediction.

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
        forms: Entries of a record, and `lists`, that have an element for each object, to what such an element
            is: "objects" (class, score and corners), "codes" (run lengths) or "numbers".
        ranked: Of all that it may be decoded from, what has a row for each object, in an order that depends
            on the last bit of the scores.
    """

    kind: ClassVar[str]
    located: ClassVar[bool] = False
    objects: ClassVar[bool] = False
    maps: ClassVar[bool] = False
    outputs: ClassVar[tuple[str, ...]] = ()
    placed: ClassVar[bool] = False
    lists: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[Mapping[str, str]] = {}
    ranked: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def needed(cls, names: Collection[str]) -> tuple[str, ...]:
        """Names of the outputs for decoding, given the names of all outputs of a file."""
        del names
        return cls.outputs

    @classmethod
    def rules(cls) -> Mapping[str, Rule]:
        """Conditions on the settings that `decode` reads, by name."""
        return {}

    @classmethod
    @abstractmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> Self:
        """Decode the prediction for one image, in pixels of the stored image.

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
        """Lists for a JSON line beside the row, such as the boxes."""
        del names
        return {}

    def codes(self) -> Row:
        """Long lists at the end of a JSON line, such as the masks of objects."""
        return {}

    @classmethod
    def columns(cls, row: Row) -> list[str]:
        """Columns of a table, given the row of an image with its path."""
        return list(row)

    def table(self, row: Row, names: Sequence[str]) -> list[Row]:
        """Rows of a table, given the row of the image with its path: one for each image, or for each
        object.
        """
        del names
        return [row]

    def draw(self, image: Image, names: Sequence[str], most: int | None = None) -> Image | None:
        """Draw the target on the image at its size; None if the target has no position.

        Args:
            image: (H, W, C) uint8.
            names: Of the classes.
            most: Objects up to which each has its name written; None for any number.
        """
        del image, names, most
        return None

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """Annotate the image; by default the row is written below it.

        Returns:
            (H', W', 3) uint8; small images are enlarged so that words fit.
        """
        del names
        values = [v for k, v in row.items() if k not in ("path", "seconds") and not k.startswith("prob_")]
        return captioned(image, " ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values))

    def legend(self, names: Sequence[str]) -> list[tuple[str, Color]]:
        """Words and colors that explain `draw`."""
        del names
        return []

    def mistakes(self, image: Image, target: Self) -> Image | None:
        """Draw the differences from the target; None if they cannot be drawn."""
        del image, target
        return None

    def least(self, score: float | NDArray[np.float32]) -> Self:
        """Objects with at least this score: one threshold for all, or (K,) for each class."""
        del score
        return self

    def compressed(self) -> Any:
        """A compressed copy, for `join_tiles`."""
        return self

    @classmethod
    def join_tiles(cls, parts: Sequence[Any], tiles: Sequence[Window], size: tuple[int, int]) -> Self:
        """Merge the predictions of tiles to the prediction of an image.

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
    """(2, 3) affine matrix from pixels of the input to those of the stored image."""
    return resize.to_stored(stored, tuple(settings["size"]), settings["resize"])
