"""Kinds and tasks that live in folders of their own, found as if they lay in the toolkit."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def listed(home: Path, folders: Mapping[str, str]) -> Iterator[None]:
    """Folders below `home` that are listed along with packages of the toolkit, by the package's name."""
    before = set(sys.modules)
    for package, name in folders.items():
        importlib.import_module(package).__path__.append(str(home / name))
    try:
        yield
    finally:
        for package, name in folders.items():
            sys.modules[package].__path__.remove(str(home / name))
        for module in set(sys.modules) - before:
            file = getattr(sys.modules[module], "__file__", None)
            if file is not None and home in Path(file).parents and not module.startswith("tests."):
                del sys.modules[module]
