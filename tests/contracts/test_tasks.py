"""Every task, and every method of every task, keeps its contract."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sightline.errors import MissingExtra, UsageError
from sightline.tasks import TASKS, task_type
from sightline.testing import check_learns, check_model, check_prunable, check_task, check_teachable, toy_plan
from tests.fixtures.tiny import METHODS, QUICK, TINY, tiny


@pytest.mark.parametrize("name", TASKS.names())
def test_task(name: str) -> None:
    check_task(name)


@pytest.mark.parametrize(("task", "method"), METHODS)
def test_method(task: str, method: str, tmp_path: Path) -> None:
    try:
        check_model(task, method, tmp_path, options=tiny(task, method))
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("task", "method"), METHODS)
def test_method_learns_by_heart(task: str, method: str) -> None:
    if (task, method) not in QUICK:
        pytest.skip("too slow to learn by heart here: that its loss falls is checked with the rest")
    check_learns(task, method, options=tiny(task, method))


def test_tables_of_methods_name_methods_that_there_are() -> None:
    assert {*TINY, *QUICK} <= set(METHODS)
    assert {task for task, _ in METHODS} == set(TASKS.names())


BY_TASK = {"multiscale"}
"""Options that tasks use, and of models only those that have a least size."""


@pytest.mark.parametrize("name", TASKS.names())
def test_an_option_that_a_model_does_not_read_is_refused(name: str) -> None:
    models = {method: TASKS.load(name).MODELS.load(method) for method in TASKS.load(name).MODELS.names()}
    read = {method: options_read(name, method) for method in models}
    known = {f.name for f in fields(task_type(name).Options)}
    for method, module in models.items():
        ignored = set(module.CARD.ignores)
        assert ignored <= known
        assert set().union(*read.values()) - read[method] - BY_TASK <= ignored, method
        for option in ignored:
            other = getattr(task_type(name).Options(), option)
            other = f"{other}-not" if isinstance(other, str) else other / 2
            with pytest.raises(
                UsageError, match=f"--{option.replace('_', '-')} .* has no effect on model '{method}'"
            ):
                toy_plan(name, n=12, model=method, options={option: other})


def options_read(task: str, method: str) -> set[str]:
    """Options that the settings of a model are made from."""
    read: set[str] = set()

    class Watched(task_type(task).Options):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    info = toy_plan(task, n=12, model=method).task.info
    TASKS.load(task).MODELS.load(method).MODEL.settings_for(info, Watched())
    return {name for name in read if not name.startswith("_")}


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


def test_a_network_whose_answer_depends_on_the_batch_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = TASKS.load("classify").MODELS.load("net").MODEL
    forward = kind.forward

    def centered(self: Any, images: Any) -> dict[str, Any]:
        return {name: value - value.mean(0, keepdim=True) for name, value in forward(self, images).items()}

    monkeypatch.setattr(kind, "forward", centered)
    with pytest.raises(AssertionError, match="depends on the rest of the batch: logits"):
        check_model("classify", "net", tmp_path)
