"""Predictions as records: a row of an image is a flat dict; a line has the path first, lists last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def full(path: str, row: Row, prediction: Any, names: Sequence[str]) -> Row:
    """Full record of an image: path, row, and objects.

    Args:
        path: Of the image.
        row: Flat.
        prediction: Of a kind in `runtime/targets/`.
        names: Of the classes.
    """
    return {"path": path, **row, **prediction.details(names), **prediction.codes()}


def line(row: Row) -> str:
    """A row as a line of a .jsonl file."""
    return json.dumps(row, ensure_ascii=False) + "\n"
