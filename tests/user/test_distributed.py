"""Two processes under torchrun do the work of one, and end with the same model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sightline.core.run import Run
from sightline.data.formats import yolo
from sightline.data.open import open_data
from sightline.models.weights import embedded
from sightline.storage import read_tensors
from tests.user.conftest import write_photos
from tests.user.test_transfer import write_large

COMMON = (
    "--model",
    "perceptron",
    "--epochs",
    "3",
    "--batch-size",
    "8",
    "--augment",
    "none",
    "--device",
    "cpu",
)


DISTRIBUTED = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")


def trained(folder: Path, *options: str) -> list[Run]:
    """Runs of one process, and of two, on the photos of a folder."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    runs = []
    for name, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, "-m", "sightline", "train", "photos", *options, "--out", name]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        runs.append(Run.open(folder / name))
    return runs


@DISTRIBUTED
def test_two_processes_equal_one(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", n=64)
    runs = trained(tmp_path, *COMMON)
    weights = [read_tensors(run.path / "model" / "model.safetensors") for run in runs]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-4), name
    assert runs[0].results.scores["accuracy"].n == runs[1].results.scores["accuracy"].n
    assert len(list(runs[1].events())) == 3
    assert set(runs[0].predictions()[0]) == set(runs[1].predictions()[0])


@DISTRIBUTED
def test_two_processes_tune_installed_weights_as_one_does(tmp_path: Path) -> None:
    if lack := embedded.trouble(embedded.DEFAULT):
        pytest.skip(lack)
    write_large(tmp_path / "photos")
    plain = ("--size", "32", "--epochs", "1", "--batch-size", "8", "--augment", "none", "--device", "cpu")
    runs = trained(tmp_path, "--pretrained", "yes", *plain)
    selected = [run.checkpoint("best") for run in runs]
    assert selected[0] is not None
    assert selected[1] is not None
    assert selected[0][1] == selected[1][1]  # the same epoch, or the mean
    weights = [first[0]["model"] for first in selected if first is not None]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-3), name


@DISTRIBUTED
def test_two_processes_train_a_detector_from_installed_weights(tmp_path: Path) -> None:
    if lack := embedded.trouble(embedded.DEFAULT):
        pytest.skip(lack)
    yolo.write(open_data("shapes:boxes:24"), tmp_path / "photos")
    plain = ("--size", "32", "--epochs", "1", "--batch-size", "8", "--augment", "none", "--device", "cpu")
    for run in trained(tmp_path, "--pretrained", "yes", *plain):  # batch norms of the head see half a batch
        assert run.record.weights is not None
        assert "installed" in run.record.weights
        assert run.results.scores["mAP50"].n == len(run.predictions()[0])
