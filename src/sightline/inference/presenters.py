"""How a prediction of each type of target is told: as rows, and drawn. The types themselves know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """How one type of target is told. All functions take the prediction and flat row of one image.

    Attributes:
        target: The type, for one image.
    """

    target: type[TargetArrays]

    @property
    def objects(self) -> bool:
        """Whether it holds objects with boxes."""
        return self.target.objects

    @property
    def maps(self) -> bool:
        """Whether it holds a class for each pixel."""
        return self.target.maps

    @property
    def lists(self) -> tuple[str, ...]:
        """What `codes` gives, by name."""
        return self.target.lists

    def columns(self, row: Row) -> list[str]:
        """Of a table, given the row."""
        return self.target.columns(row)

    def table(self, prediction: Targets, row: Row, names: Sequence[str]) -> list[Row]:
        """Rows of a table: one an image, or one an object."""
        return arrays_of(prediction).table(row, names)

    def drawn(self, image: np.ndarray, prediction: Targets, row: Row, names: Sequence[str]) -> np.ndarray:
        """(H, W, 3) picture of a picture (H, W, C), with the prediction on it."""
        return arrays_of(prediction).annotate(image, row, names)


def kind_of(name: str) -> Kind:
    """The entry of a type of target."""
    return Kind(target_type(name))


def only(prediction: Instances, least: float | Sequence[float], classes: Iterable[int] | None) -> Instances:
    """Select the objects with a score of at least a threshold (for each class or all), and of some
    classes.
    """
    keep = prediction.labels >= 0
    if prediction.scores is not None:
        each = torch.tensor(least)
        keep &= prediction.scores >= (each[prediction.labels] if each.ndim else each)
    if classes is not None:
        keep &= (prediction.labels[:, None] == prediction.labels.new_tensor(list(classes))).any(1)
    return prediction.only(keep)


def details(prediction: Targets, names: Sequence[str]) -> Row:
    """What is said of one image beside its row: of objects "boxes", one row an object."""
    return arrays_of(prediction).details(names)


def codes(prediction: Targets) -> Row:
    """What is said of one image last, since it is long: "masks", COCO's run-length code of each object."""
    return arrays_of(prediction).codes()
