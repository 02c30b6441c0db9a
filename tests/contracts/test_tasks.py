"""Every task, and every method of every task, keeps its contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sightline.errors import MissingExtra
from sightline.tasks import TASKS
from sightline.testing import check_model, check_prunable, check_task, check_teachable

METHODS = [(task, method) for task in TASKS.names() for method in TASKS.load(task).MODELS.names()]


@pytest.mark.parametrize("name", TASKS.names())
def test_task(name: str) -> None:
    check_task(name)


@pytest.mark.parametrize(("task", "method"), METHODS)
def test_method(task: str, method: str, tmp_path: Path) -> None:
    try:
        check_model(task, method, tmp_path)
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", TASKS.names())
def test_a_student_learns_from_a_teacher(name: str) -> None:
    check_teachable(name)


@pytest.mark.parametrize("name", TASKS.names())
def test_a_network_is_made_narrower(name: str, tmp_path: Path) -> None:
    check_prunable(name, tmp_path)


@pytest.mark.parametrize("name", TASKS.names())
def test_card_is_light(name: str) -> None:
    code = f"import sys, sightline.tasks.{name}; print('torch' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
