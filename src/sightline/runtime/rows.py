"""How predictions are told: a row of one picture is a flat dict; a line has its path in front, lists behind.

Each kind of target makes its rows itself (`runtime/targets/`): the toolkit's tasks and writers, and the light
runtime, say the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def full(path: str, row: Row, prediction: Any, names: Sequence[str]) -> Row:
    """What a line says of a picture: its path, its row, and what lies in it.

    Args:
        path: Of the picture.
        row: Flat.
        prediction: Of a kind in `runtime/targets/`.
        names: Of the classes.
    """
    return {"path": path, **row, **prediction.details(names), **prediction.codes()}


def line(row: Row) -> str:
    """A row as a line of a .jsonl file."""
    return json.dumps(row, ensure_ascii=False) + "\n"
