"""Presentation of predictions by target type: as rows, and as drawings. The types do the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sightline.core.targets.base import Targets
from sightline.core.targets.instances import Instances
from sightline.runtime.rows import Row
from sightline.runtime.targets import arrays_of, target_type
from sightline.runtime.targets.base import TargetArrays


@dataclass(frozen=True)
class Kind:
    """Presentation of one target type. All functions take the prediction and flat row of one image.

    Attributes:
        target: The type, for one image.
    """

    target: type[TargetArrays]

    @property
    def objects(self) -> bool:
        """Whether the type holds objects with boxes."""
        return self.target.objects

    @property
    def maps(self) -> bool:
        """Whether the type holds a class for each pixel."""
        return self.target.maps

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the lists that `rle_codes` returns."""
        return self.target.lists

    @property
    def forms(self) -> Mapping[str, str]:
        """Lists of a record, to what their elements are; see `TargetArrays`."""
        return self.target.forms

    def columns(self, row: Row) -> list[str]:
        """Columns of a table, given the row."""
        return self.target.columns(row)

    def table(self, prediction: Targets, row: Row, names: Sequence[str]) -> list[Row]:
        """Rows of a table: one for each image, or one for each object."""
        return arrays_of(prediction).table(row, names)

    def drawn(self, image: np.ndarray, prediction: Targets, row: Row, names: Sequence[str]) -> np.ndarray:
        """(H, W, 3) image with the prediction drawn on an image (H, W, C)."""
        return arrays_of(prediction).annotate(image, row, names)


def kind_of(name: str) -> Kind:
    """The entry of a type of target."""
    return Kind(target_type(name))


def select_objects(
    prediction: Instances, least: float | Sequence[float], classes: Iterable[int] | None
) -> Instances:
    """Select the objects with a score of at least a threshold (for each class or all), and of some
    classes.
    """
    keep = prediction.labels >= 0
    if prediction.scores is not None:
        each = torch.tensor(least)
        keep &= prediction.scores >= (each[prediction.labels] if each.ndim else each)
    if classes is not None:
        keep &= (prediction.labels[:, None] == prediction.labels.new_tensor(list(classes))).any(1)
    return prediction.select(keep)


def details(prediction: Targets, names: Sequence[str]) -> Row:
    """Details of one image beside its row: for objects "boxes", one row for each object."""
    return arrays_of(prediction).details(names)


def rle_codes(prediction: Targets) -> Row:
    """Long details of one image: "masks", COCO's RLE of each object."""
    return arrays_of(prediction).codes()
