"""Commands of the command line, one thin module with `run` each."""

from __future__ import annotations

import functools
import importlib
import os
import re
import typing
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

from sightline.config import fitted, is_number
from sightline.data.io.walk import home

F = TypeVar("F", bound=Callable[..., Any])

_PLACES = ("data", "source", "weights", "model")
"""Arguments that may be paths and have the type of text."""


def command(function: F) -> F:
    """Call `sightline.commands.<name>.run` with the same arguments; numbers and paths among them become
    what they mean, from Python as from the command line.

    The lists are functions `list_models` and so on, since `sightline.models` is a package.
    """
    name = function.__name__.removeprefix("list_")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        module = importlib.import_module(f"sightline.commands.{name}")
        given, hints = signature(function).bind(*args, **kwargs), _hints(function)
        for key, value in given.arguments.items():
            given.arguments[key] = _meant(key, value, hints.get(key))
        if given.arguments.get("resume") is not None:
            return module.resume(given.arguments)  # defaults are not among them: what is given is given
        given.arguments.pop("resume", None)
        return module.run(*given.args, **given.kwargs)

    return cast(F, call)


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Types of the parameters; that of the result is not looked at, as `api.py` does not import it."""
    wanted = {k: v for k, v in function.__annotations__.items() if k != "return"}
    bare = type("Parameters", (), {"__annotations__": wanted})
    return typing.get_type_hints(bare, function.__globals__, include_extras=True)


def _meant(name: str, value: Any, hint: Any) -> Any:
    if is_number(hint):
        return fitted(value, hint, name)
    if name in _PLACES or Path in (hint, *typing.get_args(hint)):
        return _place(value)
    return value


def _place(value: Any) -> Any:
    """A path, or several, with "~" as the home folder, also in "NAME=~/file" and "sam:~/folder"."""
    if isinstance(value, list | tuple):
        return type(value)(_place(item) for item in value)
    if not isinstance(value, str | os.PathLike):
        return value
    text = os.fspath(value)
    match = re.match(r"([^/\\~]*[=:])?(~.*)", text, re.DOTALL) if isinstance(text, str) else None
    if match is None:
        return value
    whole = (match[1] or "") + home(match[2])
    return whole if isinstance(value, str) else Path(whole)
