"""JSON annotations: read whole, with clear errors, or only looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sightline.errors import DataError

GLANCE = 1 << 16


def read_json(path: Path, lean: Callable[[dict[str, Any]], None] | None = None) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        lean: Takes out of each object, or packs, what would take much memory.

    Raises:
        DataError: If it cannot be opened, is cut off, or is no JSON.
    """

    def leaner(found: dict[str, Any]) -> dict[str, Any]:
        if lean is not None:
            lean(found)
        return found

    try:
        with path.open(encoding="utf-8-sig") as file:
            return json.load(file, object_hook=None if lean is None else leaner)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    except json.JSONDecodeError as error:
        cut = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated")
        what = "the file is cut off" if cut else "the file is no sound JSON"
        raise DataError(
            f"{path}: {what} (line {error.lineno}, column {error.colno}: {error.msg}). "
            "Fetch or export it again."
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, endless numbers, endless nesting
        raise DataError(f"{path}: the file is no sound JSON ({error}). Export it again.") from error


def glance(path: Path) -> str:
    """Beginning and end of a file as text, for a cheap look; "" where it cannot be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(GLANCE)
            file.seek(max(len(head), path.stat().st_size - GLANCE))
            return (head + b"\n" + file.read(GLANCE)).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    except OSError:
        return ""
