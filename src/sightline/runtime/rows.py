"""Predictions as records: the flat rows of each task, and the lines of a .jsonl file.

They are computed from plain lists and numpy arrays, by one code for the toolkit's tasks and writers and for
the light runtime. A row of one image is a flat dict. A line has the path first, and boxes and masks last.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops import rle

Row = dict[str, Any]
Part = tuple[int, int, NDArray[np.uint8]]
"""x and y of the top left pixel, and (h, w) uint8 of the rectangle that a mask lies in, 1 where it is."""

OBJECT = ("class", "score", "x1", "y1", "x2", "y2")
"""Columns of an object."""
_TOLD = 4  # classes that words about a map name


def label(names: Sequence[str], value: int | Iterable[int], scores: Sequence[float]) -> Row:
    """label, confidence (of one class), and the probability of every class.

    Args:
        names: Of the K classes.
        value: The class; or those of the picture, where it may have several.
        scores: (K) in [0, 1].
    """
    if isinstance(value, int):
        row: Row = {"label": names[value], "confidence": round(scores[value], 6)}
    else:
        row = {"label": "|".join(names[k] for k in value)}
    return row | {f"p({name})": round(s, 6) for name, s in zip(names, scores, strict=True)}


def number(outputs: Sequence[str], values: Sequence[float]) -> Row:
    """One column a number."""
    return dict(zip(outputs, values, strict=True))


def counted(names: Sequence[str], labels: Sequence[int]) -> str:
    """How many objects of each class there are, in words."""
    counts = [0] * len(names)
    for k in labels:
        counts[k] += 1
    texts = [f"{count} {name}" for name, count in zip(names, counts, strict=True) if count]
    return ", ".join(texts) or "nothing"


def objects(names: Sequence[str], labels: Sequence[int], scores: Sequence[float] | None = None) -> Row:
    """Number of objects, how many of each class, and the highest confidence (of a truth 1).

    Args:
        names: Of the classes.
        labels: Class of each object.
        scores: Confidence of each, or None for a truth.
    """
    best = 1.0 if scores is None else max(scores, default=0.0)
    top = round(best, 6) if len(labels) else 0.0
    return {"objects": len(labels), "found": counted(names, labels), "highest confidence": top}


def objects_each(
    names: Sequence[str], counts: Sequence[int], labels: Sequence[int], scores: Sequence[float] | None
) -> list[Row]:
    """`objects` of several pictures, which have `counts` of the labels and scores, in order."""
    ends = list(itertools.accumulate(counts, initial=0))
    parts = itertools.pairwise(ends)
    return [objects(names, labels[a:b], None if scores is None else scores[a:b]) for a, b in parts]


def shared(names: Sequence[str], counts: NDArray[np.integer]) -> str:
    """The classes of a map, the largest first, with their share, in words."""
    whole = max(int(counts.sum()), 1)
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    return ", ".join(f"{names[k]} {100 * counts[k] / whole:.0f} %" for k in order[:_TOLD]) or "nothing known"


def masks(names: Sequence[str], counts: NDArray[np.integer]) -> Row:
    """The share of each class.

    Args:
        names: Of the K classes.
        counts: (K,) pixels of each.
    """
    shares = (counts / max(int(counts.sum()), 1)).tolist()
    shares_by_name = {f"share({name})": round(v, 6) for name, v in zip(names, shares, strict=True)}
    return {"found": shared(names, counts), **shares_by_name}


def boxes(
    names: Sequence[str],
    labels: Sequence[int],
    scores: Sequence[float] | None,
    corners: Sequence[Sequence[float]],
) -> list[Row]:
    """One row for each object: class, score (None for a target), and corners in pixels to a thousandth."""
    scores_or_none: Sequence[float | None] = [None] * len(labels) if scores is None else scores
    rows = []
    for k, score, box in zip(labels, scores_or_none, corners, strict=True):
        rounded = None if score is None else round(score, 5)
        rows.append(dict(zip(OBJECT, (names[k], rounded, *(round(v, 3) for v in box)), strict=True)))
    return rows


def codes(size: tuple[int, int], parts: Iterable[Part]) -> list[Row]:
    """COCO's run-length code of the mask of each object: {"size": [h, w], "counts": text}.

    Args:
        size: Height and width of the picture.
        parts: The masks.
    """
    return [rle.code(part, *size) for part in parts]


def row(kind: str, prediction: Any, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
    """The flat row of one image, equal to that of `Task.rows`.

    Args:
        kind: Of the prediction: "label", "number", "masks", "instances" or "outlines".
        prediction: One of those in `answers`.
        names: Of the classes.
        outputs: Of the numbers.
    """
    return _ROWS[kind](prediction, names, outputs)


def full(path: str, row: Row, prediction: Any, names: Sequence[str]) -> Row:
    """Full record of an image: path, row, and the boxes and masks of its objects."""
    record = {"path": path, **row}
    if hasattr(prediction, "boxes"):
        labels, scores = prediction.labels.tolist(), prediction.scores.tolist()
        record["boxes"] = boxes(names, labels, scores, prediction.boxes.tolist())
    if getattr(prediction, "parts", ()):
        record["masks"] = codes(prediction.size, prediction.parts)
    return record


def line(row: Row) -> str:
    """A row as a line of a .jsonl file."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def _label(prediction: Any, names: Sequence[str], outputs: Sequence[str]) -> Row:
    value = prediction.value
    chosen = int(value) if np.ndim(value) == 0 else np.flatnonzero(value).tolist()
    return label(names, chosen, prediction.scores.tolist())


def _masks(prediction: Any, names: Sequence[str], outputs: Sequence[str]) -> Row:
    return masks(names, np.bincount(prediction.map.ravel(), minlength=256)[: len(names)])


def _objects(prediction: Any, names: Sequence[str], outputs: Sequence[str]) -> Row:
    return objects(names, prediction.labels.tolist(), prediction.scores.tolist())


_ROWS: dict[str, Callable[[Any, Sequence[str], Sequence[str]], Row]] = {
    "label": _label,
    "number": lambda prediction, names, outputs: number(outputs, prediction.value.tolist()),
    "masks": _masks,
    "instances": _objects,
    "outlines": _objects,
}
