"""Settings as frozen dataclasses: built from loose values, checked, and listed for people."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar

from sightline.errors import UnknownName, UsageError

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """An instance of the dataclass from loose values, such as text from a command line.

    Args:
        cls: A dataclass whose fields are str, int, float, bool, Literal, or one of these or None.
        values: Values by field name; '-' counts as '_'.
        what: What the settings belong to, for messages.

    Raises:
        UnknownName: If a name is not a field.
        UsageError: If a value does not fit its field.
    """
    hints = typing.get_type_hints(cls)
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    converted = {}
    for name, value in values.items():
        field = name.replace("-", "_")
        if field not in known:
            raise UnknownName(f"setting of {what}", name, known)
        converted[field] = _fitted(value, hints[field], name)
    return cls(**converted)


def _fitted(value: Any, hint: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = (a for a in arguments if a is not type(None))
        return _fitted(value, hint, name)
    option = f"--{name.replace('_', '-')}"
    if origin is Literal:
        if value not in arguments:
            raise UsageError(f"{option} must be {' or '.join(map(str, arguments))}. Received '{value}'.")
        return value
    if hint is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() not in words:
            raise UsageError(f"{option} must be yes or no. Received '{value}'.")
        return words[str(value).lower()]
    try:
        return hint(value)
    except (TypeError, ValueError):
        kind = {int: "a whole number", float: "a number"}.get(hint, getattr(hint, "__name__", str(hint)))
        raise UsageError(f"{option} must be {kind}. Received '{value}'.") from None


def listed(cls: type) -> list[tuple[str, str, str]]:
    """(option, default, what it does) of every field, the last from the class docstring."""
    said = dict(re.findall(r"^\s+(\w+): (.+)$", cls.__doc__ or "", re.MULTILINE))
    rows = []
    for f in fields(cls):
        default = "recommended" if f.default in (None, MISSING) else str(f.default)
        rows.append((f"--{f.name.replace('_', '-')}", default, said.get(f.name, "")))
    return rows
