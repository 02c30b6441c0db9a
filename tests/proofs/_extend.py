"""A folder of tasks beside the toolkit's own, for the time of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

import sightline.tasks


def with_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks in a folder, as if they lay in `sightline/tasks`."""
    monkeypatch.setattr(sightline.tasks, "__path__", [*sightline.tasks.__path__, str(folder)])
