"""Fixtures for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No network, and cache folders of our own."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    if "huggingface_hub" in sys.modules:  # it has read the variable
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "hub"))


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """A folder of real data by name; skips where it is not at hand."""

    def find(name: str) -> Path:
        root = os.environ.get("SIGHTLINE_DATA")
        if not root or not (Path(root) / name).is_dir():
            pytest.skip(f"real data '{name}' are not at hand (set SIGHTLINE_DATA)")
        return Path(root) / name

    return find
