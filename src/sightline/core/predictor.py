"""Predictor: anything that predicts, a run or an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Outcome:
    """What came of one picture: a prediction, or the reason why there is none.

    Attributes:
        id: Path or number of the picture.
        prediction: Target object of one image, or None.
        row: The same as a flat dict, for CSV and JSON lines.
        error: Why there is no prediction, or "".
    """

    id: str
    prediction: Any
    row: dict[str, Any]
    error: str = ""


class Predictor(Protocol):
    """Alike for a run, an exported file and a served address."""

    settings: dict[str, Any]

    def predict(self, source: Any, *, batch_size: int = 64) -> Iterator[Outcome]:
        """Predictions for files, folders, globs or arrays, in order, as they come."""
        ...
