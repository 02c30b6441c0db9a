"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No network, and a cache folder of our own."""
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """A folder of real data by name; skips where it is not at hand."""

    def find(name: str) -> Path:
        root = os.environ.get("SIGHTLINE_DATA")
        if not root or not (Path(root) / name).is_dir():
            pytest.skip(f"real data '{name}' are not at hand (set SIGHTLINE_DATA)")
        return Path(root) / name

    return find
