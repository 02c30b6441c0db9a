"""Class labels of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rows import Row
from .base import Outputs, Settings, TargetArrays


@dataclass(frozen=True, eq=False)
class LabelArrays(TargetArrays):
    """Class of an image, or its classes.

    Attributes:
        value: Index of the class, or (K,) bool where an image may have several.
        scores: (K,) float in [0, 1], or None for an annotation.
    """

    value: int | NDArray[np.bool_]
    scores: NDArray[np.float32] | None
    kind = "label"
    outputs = ("scores",)
    placed = True

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> LabelArrays:
        """The most probable class; for several labels, all with a probability of at least 0.5."""
        del stored
        scores = outputs["scores"]
        return cls(scores > 0.5 if settings.get("multilabel") else int(scores.argmax()), scores)

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """label, confidence (of one class), and the probability of every class."""
        del outputs
        scores = None if self.scores is None else self.scores.tolist()
        if isinstance(self.value, int):
            row: Row = {"label": names[self.value]}
            if scores is not None:
                row["confidence"] = round(scores[self.value], 6)
        else:
            row = {"label": "|".join(names[k] for k in np.flatnonzero(self.value).tolist())}
        return row | {
            f"prob_{name}": round(s, 6) for name, s in zip(names, scores or (), strict=bool(scores))
        }


TARGET = LabelArrays
