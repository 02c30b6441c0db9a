"""Sightline: from a folder of images to a vision model with scores that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sightline._version import __version__ as __version__
from sightline.quiet import be_quiet

__all__ = [
    "Recipe",
    "audit",
    "benchmark",
    "check",
    "compare",
    "demo",
    "evaluate",
    "explain",
    "export",
    "index",
    "inspect",
    "list_datasets",
    "list_models",
    "list_tasks",
    "list_weights",
    "load",
    "open_data",
    "predict",
    "search",
    "serve",
    "train",
    "tune",
]

be_quiet()  # before anything else is imported, in whatever process this is

if TYPE_CHECKING:
    from sightline.api import (
        audit,
        benchmark,
        check,
        compare,
        demo,
        evaluate,
        explain,
        export,
        index,
        inspect,
        list_datasets,
        list_models,
        list_tasks,
        list_weights,
        load,
        predict,
        search,
        serve,
        train,
        tune,
    )
    from sightline.data.open import open_data
    from sightline.training.recipe import Recipe


def __getattr__(name: str) -> Any:
    """Public names, imported when first used (PEP 562): `import sightline` itself costs nothing."""
    if name == "open_data":
        from sightline.data.open import open_data

        return open_data
    if name in __all__:
        from sightline import api

        return getattr(api, name)
    raise AttributeError(f"module 'sightline' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
