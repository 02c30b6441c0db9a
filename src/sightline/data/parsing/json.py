"""JSON annotations: read whole with clear errors, or only sniffed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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

    def leaner(entry: dict[str, Any]) -> dict[str, Any]:
        if lean is not None:
            lean(entry)
        return entry

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
    """Beginning and end of a file as text, for sniffing; "" if it cannot be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(GLANCE)
            file.seek(max(len(head), path.stat().st_size - GLANCE))
            return (head + b"\n" + file.read(GLANCE)).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    except OSError:
        return ""


def sound(key: Any) -> bool:
    """Whether something can be an id: a whole number or a text."""
    return (isinstance(key, int | str) and not isinstance(key, bool)) or (
        isinstance(key, float) and key % 1 == 0
    )


def key_in(table: Mapping[Any, Any], key: Any, where: str, texts: list[str]) -> Any:
    """An id as a table has it, or None: 7, 7.0 and "7" are one, unless the table tells them apart.

    Args:
        table: By id.
        key: The id as it is written.
        where: The entry, for `texts`.
        texts: Entries whose numbers are text; added to.
    """
    if not sound(key) or key in table:
        return key if sound(key) else None
    number = isinstance(key, str) and re.fullmatch(r"-?\d{1,18}", key)
    other = int(key) if number else str(int(key)) if isinstance(key, float) else str(key)
    if other not in table:
        return None
    texts.append(f"{where} ({key!r})")
    return other


def whole(value: Any, where: str, texts: list[str]) -> int | None:
    """A whole number, also one written 192.0 or "192"; None for what is none. `texts` as `key_in`."""
    numbers = four([value], where, texts, 1)
    return int(numbers[0]) if numbers and numbers[0] % 1 == 0 else None


def four(values: Any, where: str, texts: list[str], n: int = 4) -> tuple[float, ...] | None:
    """n numbers of a list, also where they are text; None for what is something else. `texts` as `key_in`."""
    if not isinstance(values, list) or len(values) != n:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float | str) for v in values):
        return None
    try:
        numbers = tuple(float(v) for v in values)
    except OverflowError:
        return (float("nan"),) * n
    except ValueError:
        return None
    if any(isinstance(v, str) for v in values):
        texts.append(f"{where} ({values!r:.60})")
    return numbers
