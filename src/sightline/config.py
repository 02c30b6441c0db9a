"""Configuration as frozen dataclasses: built from untyped values, validated, and listed for people."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, TypeVar

from sightline.errors import UnknownName, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """What a number may be; stands in the annotation of a setting.

    Attributes:
        low: Least value.
        high: Greatest value, or None for no limit.
        above: Whether `low` itself is too little.
        below: Whether `high` itself is too much.
    """

    low: float = 0
    high: float | None = None
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        least = value > self.low if self.above else value >= self.low
        most = self.high is None or (value < self.high if self.below else value <= self.high)
        return least and most

    def __str__(self) -> str:
        low = f"more than {_plain(self.low)}" if self.above else f"{_plain(self.low)} or more"
        if self.high is None:
            return low
        return f"{low} and {'less than' if self.below else 'at most'} {_plain(self.high)}"


@dataclass(frozen=True)
class Tunable:
    """Where `tune` searches a number or a setting of a task; stands in its annotation.

    Attributes:
        low: Least value that is tried.
        high: Greatest value that is tried.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Heading:
    """Title of a group of options in `--help`, in the annotation of the first option of the group.

    Attributes:
        text: The heading. Options after it belong to it, up to the next heading.
    """

    text: str


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


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
    hints = typing.get_type_hints(cls, include_extras=True)
    field_names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    converted = {}
    for name, value in values.items():
        field = name.replace("-", "_")
        if field not in field_names:
            raise UnknownName(f"setting of {what}", name, field_names)
        converted[field] = convert_value(value, hints[field], name)
    return cls(**converted)


def convert_value(value: Any, hint: Any, name: str) -> Any:
    """A loose value as a setting of this type: the one conversion of the command line and of Python.

    Nothing is made to fit: a fraction is no whole number, and yes is no number.

    Args:
        value: A value of Python, or text.
        hint: str, int, float, bool, a Literal, one of these or None, or one of these with a `Range`.
        name: Of the setting, for messages.

    Raises:
        UsageError: If the value does not fit.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        value = convert_value(value, arguments[0], name)
        for limit in arguments[1:]:
            if isinstance(limit, Range) and value is not None and value not in limit:
                raise UsageError(f"--{name.replace('_', '-')} must be {limit}. Received {value}.")
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = (a for a in arguments if a is not type(None))
        return convert_value(value, hint, name)
    option = f"--{name.replace('_', '-')}"
    if origin is Literal:
        if value not in arguments:
            raise UsageError(f"{option} must be {' or '.join(map(str, arguments))}. Received '{value}'.")
        return value
    if hint is bool:
        return _truth(value, option)
    try:
        return _whole(value) if hint is int else _number(value) if hint is float else hint(value)
    except (TypeError, ValueError, OverflowError):
        kind = {int: "a whole number", float: "a number"}.get(hint, getattr(hint, "__name__", str(hint)))
        raise UsageError(f"{option} must be {kind}. Received '{value}'.") from None


def is_number(hint: Any) -> bool:
    """Whether a setting of this type is a number, perhaps with a range, perhaps None."""
    if hint in (int, float):
        return True
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) is Annotated:
        return is_number(kinds[0])
    wanted = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return wanted and any(is_number(kind) for kind in kinds)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _whole(value: Any) -> int:
    """A whole number: 3, 3.0, "3" or "3.0"."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _truth(value: Any, option: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise UsageError(f"{option} must be yes or no. Received '{value}'.")
    return words[str(value).lower()]


def marks(hint: Any) -> Iterator[Any]:
    """Marks of an annotation beside the type: a `Range`, a `Heading`."""
    if typing.get_origin(hint) is Annotated:
        first, *rest = typing.get_args(hint)
        yield from rest
        yield from marks(first)


def choices(hint: Any) -> tuple[Any, ...]:
    """Allowed words of a setting of this type; empty if any value is allowed."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    return next((words for kind in typing.get_args(hint) if (words := choices(kind))), ())


def documented(thing: Any) -> dict[str, str]:
    """Name to text of all arguments or attributes in a Google docstring; of a class with its bases."""
    texts: dict[str, str] = {}
    for part in reversed(thing.__mro__) if isinstance(thing, type) else (thing,):
        if part is object:
            continue
        block = (inspect.getdoc(part) or "").partition("Args:\n")[2] if part.__doc__ else ""
        block = re.split(r"\n(?=\S)", block)[0]
        rows = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", block, re.MULTILINE)
        texts |= {name: re.sub(r"\s+", " ", text) for name, text in rows}
    return texts


def listed(cls: type) -> list[tuple[str, str, str]]:
    """(option, default, what it does) of every field, the last from the class docstring."""
    docs = documented(cls)
    rows = []
    for f in fields(cls):
        default = "recommended" if f.default in (None, MISSING) else str(f.default)
        rows.append((f"--{f.name.replace('_', '-')}", default, docs.get(f.name, "")))
    return rows
