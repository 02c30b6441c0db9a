"""Presentation of predictions by target type: as rows, and as drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import VOID
from sightline.ops.draw import boxes, captioned, colour_of, enlarged, legend, regions
from sightline.ops.draw import objects as paint
from sightline.runtime import rows
from sightline.runtime.rows import OBJECT, Row


@dataclass(frozen=True)
class Kind:
    """Presentation of one target type. All functions take the prediction and flat row of one image.

    Attributes:
        columns: Of a table, given the row.
        table: Rows of a table: one an image, or one an object.
        drawn: (H, W, 3) picture of a picture (H, W, C), with the prediction on it.
        objects: Whether it holds objects with boxes.
        maps: Whether it holds a class for each pixel.
    """

    columns: Callable[[Row], list[str]]
    table: Callable[[Any, Row, Sequence[str]], list[Row]]
    drawn: Callable[[np.ndarray, Any, Row, Sequence[str]], np.ndarray]
    objects: bool = False
    maps: bool = False


def kind_of(name: str) -> Kind:
    """The entry of a type of target; one that has none of its own is told by its row."""
    return _KINDS.get(name, _WHOLE)


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


def codes(prediction: Instances) -> list[Row]:
    """COCO's run-length code of the mask of each object of one image: {"size": [h, w], "counts": text}."""
    return rows.codes(tuple(prediction.sizes[0].tolist()), prediction.masks or ())


def objects(prediction: Instances, names: Sequence[str]) -> list[Row]:
    """One row for each object: class, score (None for a target), and corners in pixels to a thousandth."""
    scores = None if prediction.scores is None else prediction.scores.tolist()
    return rows.boxes(names, prediction.labels.tolist(), scores, prediction.boxes.tolist())


def _where(row: Row) -> Row:
    return {k: row[k] for k in ("path", "seconds") if k in row}


def _objects_table(prediction: Instances, row: Row, names: Sequence[str]) -> list[Row]:
    return [{**_where(row), **record} for record in objects(prediction, names)]


def _objects_drawn(image: np.ndarray, prediction: Instances, row: Row, names: Sequence[str]) -> np.ndarray:
    del row
    large, factor = enlarged(image)
    scores = None if prediction.scores is None else prediction.scores.numpy()
    return boxes(large, factor * prediction.boxes.numpy(), prediction.labels.numpy(), scores, names)


def _row_drawn(image: np.ndarray, prediction: Any, row: Row, names: Sequence[str]) -> np.ndarray:
    del prediction, names
    values = {k: v for k, v in row.items() if k not in ("path", "seconds") and not k.startswith("p(")}
    words = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in values.values())
    return captioned(image, " ".join(words))


def _masks_drawn(image: np.ndarray, prediction: Any, row: Row, names: Sequence[str]) -> np.ndarray:
    del row
    class_map = prediction.map(0)
    classes = [int(k) for k in np.unique(class_map) if k != VOID]
    large, _ = enlarged(regions(image, class_map, VOID))
    return legend(large, [(names[k], colour_of(k)) for k in classes])


def _outlines_drawn(image: np.ndarray, prediction: Any, row: Row, names: Sequence[str]) -> np.ndarray:
    tinted = paint(image, prediction.bitmaps, np.arange(len(prediction.labels)))
    return _objects_drawn(tinted, prediction, row, names)


_WHOLE = Kind(list, lambda prediction, row, names: [row], _row_drawn)
_KINDS = {
    "label": _WHOLE,
    "number": _WHOLE,
    "instances": Kind(lambda row: [*_where(row), *OBJECT], _objects_table, _objects_drawn, objects=True),
    "outlines": Kind(lambda row: [*_where(row), *OBJECT], _objects_table, _outlines_drawn, objects=True),
    "masks": Kind(list, lambda prediction, row, names: [row], _masks_drawn, maps=True),
}
