"""Plug-ins of a proof, found as those of the toolkit are: a folder more on the path of a package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def plugins(request: pytest.FixtureRequest) -> Iterator[None]:
    """The folders beside the test, named after the packages that they add to: tasks, core/targets, ...

    A test module may name other proofs whose folders it needs too, in BORROWS.
    """
    homes = [Path(request.module.__file__).parent]
    homes += [HERE / name for name in getattr(request.module, "BORROWS", ())]
    before = set(sys.modules)
    added: list[tuple[list[str], str]] = []
    for home in homes:
        for folder in sorted(p for p in home.rglob("*") if p.is_dir()):
            name = ".".join(["sightline", *folder.relative_to(home).parts])
            if folder.name == "__pycache__":
                continue
            package = importlib.import_module(name)
            if str(folder) not in package.__path__ and (Path(package.__file__ or "").parent != folder):
                package.__path__.append(str(folder))
                added.append((package.__path__, str(folder)))
    yield
    for path, folder in added:
        path.remove(folder)
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(HERE) in str(getattr(module, "__file__", "")) and name.startswith("sightline."):
            del sys.modules[name]
