"""Sequences: facts and the detections of all frames, (1 + R, 7); the model is given (B, 7, 1 + R)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.data.inputs._kind import COVER_PLANES, WITHOUT_SIZE, InputKind, StoredShape
from sightline.data.io.pixels import Arrays
from sightline.data.io.sequences import COLUMNS, Sequences
from sightline.data.parsing.mot_sequences import given_sequences
from sightline.errors import DataError, UsageError
from sightline.ops.resize_shape import ResizeMode

_SIDE = 128
"""Longest side in pixels of a plane."""


class SequenceInput(InputKind):
    """A sequence, (1 + R, 7) as `SequenceItem.table` gives it: a row of facts, and one for each detection.

    The model takes "detections", (B, 7, 1 + R). Its first column holds length, frames per second, height and
    width of the frames (nan or 0 where unknown), the others frame, x1, y1, x2, y2, score and class. In a
    batch, sequences with fewer detections end with columns of frame 0.
    """

    name: ClassVar[str] = "sequence"
    item: ClassVar[str] = "sequence"
    inputs: ClassVar[tuple[str, ...]] = ("detections",)
    varies: ClassVar[bool] = True
    has_pixels: ClassVar[bool] = False
    idle: ClassVar[tuple[str, ...]] = WITHOUT_SIZE
    limits_side: ClassVar[bool] = False

    def pixels(self, pixels: Pixels) -> Pixels:
        """Sequences as they are.

        Raises:
            DataError: If the data are images.
        """
        if isinstance(pixels, Sequences) or (isinstance(pixels, Arrays) and pixels.input == self.name):
            return pixels
        raise DataError(
            "The task takes sequences with detections; the data are other files. Expected folders of "
            "MOTChallenge: NAME/det/det.txt, perhaps NAME/img1."
        )

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """No size: boxes stay in the pixels of the frames."""
        del stored, size, frames, stride
        return InputSpec((), len(COLUMNS), self.name, 1, names=self.inputs, dtype="float32")

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(1, 7): that of a sequence without detections."""
        return (1, spec.channels)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """As read."""
        del spec, resize
        return item

    def stack(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """(B, 1 + R, 7), filled up with rows of zeros."""
        most = max(len(view) for view in views)
        return np.stack([np.pad(view, ((0, most - len(view)), (0, 0))) for view in views])

    def planes(self, item: np.ndarray) -> np.ndarray:
        """(4, H, W, 1) uint8: the detections of four frames, evenly spread, each the brighter the surer."""
        size, (length, *_) = self.stored_size(item), item[0]
        scale = min(1.0, _SIDE / max(*size, 1))
        height, width = (max(1, round(side * scale)) for side in size)
        planes = np.zeros((COVER_PLANES, height, width, 1), np.uint8)
        rows = item[1:]
        for plane, frame in zip(planes, np.linspace(1, max(length, 1), COVER_PLANES).round(), strict=True):
            here = rows[rows[:, 0] == frame]
            boxes = np.clip(np.nan_to_num(here[:, 1:5] * scale), 0, max(height, width)).round().astype(int)
            for rank, k in enumerate(here[:, 5].argsort(kind="stable")):
                x1, y1, x2, y2 = boxes[k]
                plane[y1:y2, x1:x2] = 105 + 150 * (rank + 1) // len(here)
        return planes

    def stored_size(self, item: np.ndarray) -> tuple[int, ...]:
        """Height and width of the frames; where unknown, as far as boxes reach."""
        height, width = (int(side) for side in item[0, 2:4])
        reach = item[1:, 1:5].max(0, initial=1)
        return height or int(reach[3]), width or int(reach[2])

    def named(self, text: str) -> Sequence[tuple[str, np.ndarray]] | None:
        """Sequences in a folder, or the detections in a text file, as MOTChallenge has them.

        Raises:
            DataError: If there are none, or a file is broken.
        """
        items = given_sequences(Path(text))
        return [(item.name, item.table()) for item in items]

    def of_array(self, value: Any) -> Sequence[np.ndarray]:
        """An array (M, 7) of detections.

        Raises:
            UsageError: If it is none.
        """
        array = np.asarray(value, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != len(COLUMNS):
            raise UsageError(f"A sequence in memory is an array (M, 7) of {', '.join(COLUMNS)}.")
        head = np.array([[array[:, 0].max(initial=0), np.nan, 0, 0, 0, 0, 0]], np.float32)
        return [np.concatenate([head, array])]


INPUT = SequenceInput()
