"""Commands, one module with `run` each; names with an underscore are what they share."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def verb(function: F) -> F:
    """Call `sightline.verbs.<name>.run` with the same arguments.

    The lists are functions `list_models` and so on, since `sightline.models` is a package.
    """
    name = function.__name__.removeprefix("list_")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        module = importlib.import_module(f"sightline.verbs.{name}")
        return module.run(*args, **kwargs)

    return cast(F, call)
