"""Two processes under torchrun do the work of one, and end with the same model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sightline.core.run import Run
from sightline.storage import read_tensors
from tests.user.conftest import write_photos

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


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_two_processes_equal_one(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", n=64)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = [sys.executable, "-m", "sightline", "train", "photos", *COMMON, "--out", "one"]
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
           "-m", "sightline", "train", "photos", *COMMON, "--out", "two"]  # fmt: skip
    for command in (one, two):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    weights = [read_tensors(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two")]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-4), name
    runs = [Run.open(tmp_path / name) for name in ("one", "two")]
    assert runs[0].results.scores["accuracy"].n == runs[1].results.scores["accuracy"].n
    assert len(list(runs[1].events())) == 3
    assert set(runs[0].predictions()[0]) == set(runs[1].predictions()[0])
