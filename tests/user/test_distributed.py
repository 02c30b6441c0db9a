"""Two processes under torchrun do the work of one, and end with the same model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sightline.cli import main
from sightline.core.run import Run
from sightline.data.formats import yolo
from sightline.data.open import open_data
from sightline.models.weights import embedded
from sightline.storage import read_tensors
from tests.user.conftest import write_photos
from tests.user.test_transfer import write_large

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")

EACH = ("--batch-size", "8", "--augment", "none", "--device", "cpu")
TUNED = ("--pretrained", "yes", "--size", "32", "--epochs", "1", *EACH)
COMMANDS = {
    "photos": ("--model", "perceptron", "--epochs", "3", *EACH),
    "large": TUNED,
    "boxes": TUNED,
}
"""Options of `sightline train` by its data."""

SEVERAL = """
import json, runpy, sys
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["sightline", *arguments]
    try:
        runpy.run_module("sightline", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
"""
"""As `torchrun -m sightline train ...`, several times: most of the time goes into imports."""


def train(data: str, out: str) -> list[str]:
    """Arguments of the command."""
    return ["train", data, *COMMANDS[data], "--out", out]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of two processes on a data set; all are trained at the first call."""
    folder = tmp_path_factory.mktemp("two")
    names = ["photos", *(() if embedded.trouble(embedded.DEFAULT) else ("large", "boxes"))]
    write_photos(folder / "photos", n=64)
    write_large(folder / "large")
    yolo.write(open_data("shapes:boxes:24"), folder / "boxes")
    (folder / "several.py").write_text(SEVERAL)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["several.py", json.dumps([train(name, f"two-{name}") for name in names])]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    def get(name: str) -> Run:
        if name not in names:
            pytest.skip(embedded.trouble(embedded.DEFAULT))
        return Run.open(folder / f"two-{name}")

    return get


@pytest.fixture
def one(two: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """The run of this process alone on the same data."""

    def get(name: str) -> Run:
        monkeypatch.chdir(two(name).path.parent)
        with pytest.raises(SystemExit) as ended:
            main(train(name, f"one-{name}"))
        assert not ended.value.code
        return Run.open(Path(f"one-{name}"))

    return get


def test_two_processes_equal_one(one: Callable[[str], Run], two: Callable[[str], Run]) -> None:
    runs = [one("photos"), two("photos")]
    weights = [read_tensors(run.path / "model" / "model.safetensors") for run in runs]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-4), name
    assert runs[0].results.scores["accuracy"].n == runs[1].results.scores["accuracy"].n
    assert len(list(runs[1].events())) == 3
    assert set(runs[0].predictions()[0]) == set(runs[1].predictions()[0])


def test_two_processes_tune_installed_weights_as_one_does(
    one: Callable[[str], Run], two: Callable[[str], Run]
) -> None:
    selected = [run.checkpoint("best") for run in (one("large"), two("large"))]
    assert selected[0] is not None
    assert selected[1] is not None
    assert selected[0][1] == selected[1][1]  # the same epoch, or the mean
    weights = [first[0]["model"] for first in selected if first is not None]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-3), name


def test_two_processes_train_a_detector_from_installed_weights(two: Callable[[str], Run]) -> None:
    run = two("boxes")  # batch norms of the head see half a batch: one process ends with other weights
    assert run.record.weights is not None
    assert "installed" in run.record.weights
    assert run.results.scores["mAP50"].n == len(run.predictions()[0])
