"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "1")


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """A folder of real data by name; skips where it is not at hand."""

    def find(name: str) -> Path:
        root = os.environ.get("SIGHTLINE_DATA")
        if not root or not (Path(root) / name).is_dir():
            pytest.skip(f"real data '{name}' are not at hand (set SIGHTLINE_DATA)")
        return Path(root) / name

    return find
