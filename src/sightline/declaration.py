"""Command declarations: the options of a command, read from a signature and docstring or from a dataclass."""

from __future__ import annotations

import functools
import inspect
import os
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, ParamSpec, Protocol, TypeVar, cast, overload

from sightline.config import Heading, Range, choices, convert_value, documented, is_number, marks
from sightline.data.io.walk import home

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
A = TypeVar("A")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_PLACES = ("data", "source", "weights", "model")
"""Arguments that may be paths and have the type of text."""
LOOSE = Annotated[Any, Heading("Task and model")]
_REST = "options"
"""The field of a dataclass of arguments that takes whatever else is given by name."""


class Command(Protocol[P, R_co]):
    """A function that takes the fields of a dataclass of arguments, and further options by name."""

    __name__: str

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, data: str, **options: Any) -> R_co: ...


def command(function: F) -> F:
    """Decorator of commands: converts numbers and paths, from Python as from the command line."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.arguments.update(_meant(bound.arguments, hints_of(function)))
        return function(*bound.args, **bound.kwargs)

    return cast(F, call)


def command_of(
    kind: Callable[P, A], resume: Callable[[Mapping[str, Any]], R]
) -> Callable[[Callable[[A], R]], Command[P, R]]:
    """Decorator: turn a function of a dataclass of arguments into a command with its fields as parameters.

    Args:
        kind: The dataclass. What is not a field goes to its field `options`.
        resume: What is called instead where `resume` is given, with only what was given: a run that goes on
            has its own settings, so that a default and the same value, given, are not the same.
    """

    def wrap(function: Callable[[A], R]) -> Command[P, R]:
        signature, hints = _signature_of(cast(type, kind)), _hints_of_class(cast(type, kind))

        def call(*args: Any, **kwargs: Any) -> R:
            bound = signature.bind(*args, **kwargs)
            given = _meant(bound.arguments, hints)
            rest = given.get(_REST, {})
            if _REST in rest:  # as type checkers see the signature: together
                given[_REST] = {**rest[_REST], **{k: v for k, v in rest.items() if k != _REST}}
            if given.get("resume") is not None:
                return resume(given)
            return function(cast(Any, kind)(**given))

        call.__name__, call.__module__ = function.__name__, function.__module__
        call.__qualname__ = function.__qualname__
        call.__doc__ = _docstring(function, cast(type, kind))
        call.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        bare = [p.replace(annotation=_bare(p.annotation)) for p in signature.parameters.values()]
        returns = inspect.signature(function).return_annotation
        call.__signature__ = Signature(bare, return_annotation=returns)  # type: ignore[attr-defined]
        return cast(Command[P, R], call)

    return wrap


@functools.cache
def _hints_of_class(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _signature_of(kind: type) -> Signature:
    """Signature of a command from a dataclass."""
    hints, parameters = _hints_of_class(kind), []
    for f in (f for f in fields(kind) if f.name != _REST):
        how = Parameter.KEYWORD_ONLY if f.kw_only else Parameter.POSITIONAL_OR_KEYWORD
        default = Parameter.empty if f.default is MISSING else f.default
        parameters.append(Parameter(f.name, how, default=default, annotation=hints[f.name]))
    if _REST in hints:
        parameters.append(Parameter(_REST, Parameter.VAR_KEYWORD, annotation=LOOSE))
    return Signature(parameters)


def _bare(hint: Any) -> Any:
    """A type without its marks, for `help()`."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _docstring(function: Callable[..., Any], kind: type) -> str:
    """Docstring of the command: the function's summary and the arguments of the class, for `help()`."""
    rows = "\n".join(f"    {name}: {text}" for name, text in documented(kind).items())
    return f"{inspect.getdoc(function)}\n\nArgs:\n{rows}\n"


@functools.cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Types of the parameters, with what is marked on them; that of the result may not be imported yet."""
    wanted = {k: v for k, v in function.__annotations__.items() if k != "return"}
    bare = type("Parameters", (), {"__annotations__": wanted})
    module = inspect.unwrap(function).__globals__
    return typing.get_type_hints(bare, module, include_extras=True)


def _meant(given: Mapping[str, Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a value to its declared type."""
    return {name: _value(name, value, hints.get(name)) for name, value in given.items()}


def _value(name: str, value: Any, hint: Any) -> Any:
    if is_number(hint):
        return convert_value(value, hint, name)
    if Path in _kinds(hint) and isinstance(value, str | os.PathLike):
        return Path(_place(os.fspath(value)))
    if typing.get_origin(hint) is Sequence and isinstance(value, str):
        value = (value,)  # else its letters would be taken for several
    if name in _PLACES or Path in _kinds(hint):
        value = _place(value)
    return value


def _kinds(hint: Any) -> set[Any]:
    """The members of a union type."""
    return {hint}.union(*(_kinds(kind) for kind in typing.get_args(hint)))


def _place(value: Any) -> Any:
    """A path, or several, with "~" as the home folder, also in "NAME=~/file" and "sam:~/folder"."""
    if isinstance(value, list | tuple):
        return type(value)(_place(item) for item in value)
    if not isinstance(value, str | os.PathLike):
        return value
    text = os.fspath(value)
    match = re.match(r"([^/\\~]*[=:])?(~.*)", text, re.DOTALL) if isinstance(text, str) else None
    return text if match is None else (match[1] or "") + home(match[2])


@dataclass(frozen=True)
class Option:
    """One argument or option.

    Attributes:
        name: As in Python.
        kind: How it is given in Python.
        hint: Its type.
        default: What it is if it is left out; `inspect.Parameter.empty` if it must be given.
        text: What it is.
        heading: Of the group that it belongs to; "" for those that come first.
        settings: Name of the argument that it is a field of, as in `recipe`; else "".
    """

    name: str
    kind: Any
    hint: Any
    default: Any
    text: str
    heading: str
    settings: str = ""

    @property
    def option(self) -> str:
        """Name on the command line."""
        return f"--{self.name.rstrip('_').replace('_', '-')}"

    @property
    def is_positional(self) -> bool:
        """Whether it may be given without its name."""
        return self.kind not in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is Parameter.empty and self.kind is Parameter.POSITIONAL_OR_KEYWORD

    @property
    def shown_default(self) -> str:
        """Default as text, or "" if it has no information."""
        silent = self.default in (Parameter.empty, None, (), "") or self.default is False
        return "" if silent else str(self.default)

    @property
    def limit(self) -> str:
        """Range of a number in words, such as "1 or more"."""
        return next((str(mark) for mark in marks(self.hint) if isinstance(mark, Range)), "")

    @property
    def choices(self) -> tuple[Any, ...]:
        """Allowed words; empty if any value is allowed."""
        return choices(self.hint)


def options_of(function: Callable[..., Any]) -> list[Option]:
    """All arguments and options of a command in order, with each setting of training as one."""
    options: list[Option] = []
    hints, texts, heading = hints_of(function), documented(function), ""
    for p in inspect.signature(function).parameters.values():
        hint = hints[p.name]
        if is_dataclass(hint):
            options += settings_of(p.name, hint)
            continue
        heading = _heading(hint, heading)
        options.append(Option(p.name, p.kind, hint, p.default, texts[p.name], heading))
    return options


def settings_of(name: str, kind: Any) -> list[Option]:
    """The fields of a dataclass of settings as options."""
    options: list[Option] = []
    hints, texts, heading = typing.get_type_hints(kind, include_extras=True), documented(kind), ""
    for f in fields(kind):
        heading = _heading(hints[f.name], heading)
        default = Parameter.empty if f.default is MISSING else f.default
        options.append(
            Option(f.name, Parameter.KEYWORD_ONLY, hints[f.name], default, texts[f.name], heading, name)
        )
    return options


def _heading(hint: Any, before: str) -> str:
    return next((mark.text for mark in marks(hint) if isinstance(mark, Heading)), before)


def summary_of(function: Callable[..., Any]) -> str:
    """Summary of a command, without its arguments."""
    return (inspect.getdoc(function) or "").partition("\nArgs:\n")[0].strip()
