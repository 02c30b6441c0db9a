"""A small network is trained by one thread, and nothing else in the program notices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.devices import Devices
from sightline.inference import threads
from sightline.training.arguments import TrainArguments
from sightline.training.callbacks.base import Callback
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe
from sightline.training.runner import fit


class Watch(Callback):
    """The number of threads in every epoch."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def epoch(self, training: Any, logs: dict[str, Any]) -> bool:
        self.seen.append(torch.get_num_threads())
        return False


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine with two cores, whatever the machine of the test has."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def trained(out: Path, **recipe: Any) -> tuple[dict[str, Any], list[int]]:
    """Weights after an epoch of the digits, and the threads that did it."""
    result = make_plan(TrainArguments("digits", device="cpu", recipe=Recipe(epochs=1, **recipe)))
    watch = Watch()
    model, _ = fit(result, Run.create(out, RunRecord()), Devices.start("cpu", "fp32"), extra=[watch])
    return model.state_dict(), watch.seen


def test_a_small_network_gets_one_thread_and_the_number_is_put_back(tmp_path: Path) -> None:
    assert trained(tmp_path / "run")[1] == [1]
    assert torch.get_num_threads() == 2


def test_a_large_batch_keeps_all_threads(tmp_path: Path) -> None:
    assert trained(tmp_path / "run", batch_size=256)[1] == [2]


def test_the_number_is_put_back_after_trouble(tmp_path: Path) -> None:
    class Broken(Callback):
        def epoch(self, training: Any, logs: dict[str, Any]) -> bool:
            raise OSError("the disk is full")

    result = make_plan(TrainArguments("digits", device="cpu", recipe=Recipe(epochs=1)))
    with pytest.raises(OSError, match="disk"):
        fit(result, Run.create(tmp_path / "run", RunRecord()), Devices.start("cpu", "fp32"), extra=[Broken()])
    assert torch.get_num_threads() == 2


def test_what_the_user_sets_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert trained(tmp_path / "run")[1] == [2]


def test_the_cores_of_a_machine_do_not_change_the_weights_of_a_small_network(tmp_path: Path) -> None:
    on_two, _ = trained(tmp_path / "two")
    torch.set_num_threads(1)
    on_one, _ = trained(tmp_path / "one")
    assert all(torch.equal(on_two[name], value) for name, value in on_one.items())


@pytest.mark.skipif(sys.platform != "linux", reason="what OpenMP says of itself is told by GNU's only")
@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_the_command_lets_threads_sleep_unless_the_user_says_otherwise(
    given: dict[str, str], policy: str
) -> None:
    selected = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-m", "sightline", "inspect", "lenet5"],
        env={**selected, "OMP_DISPLAY_ENV": "TRUE", **given}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    outputs = [
        line.split("=")[1].strip(" '") for line in done.stderr.splitlines() if "OMP_WAIT_POLICY" in line
    ]
    assert set(outputs) == {policy}


class TwoInputs(Model):
    """A model that takes a pair."""

    def __init__(self) -> None:
        super().__init__({"mean": [0.0], "std": [1.0], "channels": 3, "size": [8, 8], "input": "pair",
                          "inputs": ["left", "right"]})  # fmt: skip
        self.layer = torch.nn.Conv2d(6, 1, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        return {"sum": self.layer(torch.cat([left, right], 1))}

    @classmethod
    def to_predictions(cls, answer: dict[str, torch.Tensor], settings: dict[str, Any]) -> Any:
        return answer["sum"]


def test_a_model_of_two_inputs_is_measured_too() -> None:
    with threads.few_threads([TwoInputs()], 32, Devices.start("cpu", "fp32")):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
