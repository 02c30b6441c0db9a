"""A run that is killed at any moment and resumed ends with the same weights, bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_digits

from sightline.core.run import Run
from sightline.data.checks import CHECKS
from sightline.data.formats import FORMATS
from sightline.metrics import METRICS

PRELOADED = [
    "sightline.training.launch", "sightline.models.linear_probe", "sightline.tasks.classify.baselines",
    "sightline.tasks.classify.models.net", "sightline.tasks.classify.task", "sklearn.linear_model",
    "torch._dynamo",
    *(f"{f.package}.{n.replace('-', '_')}" for f in (CHECKS, FORMATS, METRICS) for n in f.names()),
]  # fmt: skip
"""Imported once, so that a child that lives for a second spends it on training."""
KILLS = 10
"""For each number of workers: twenty in all."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """360 digits as PNG files, a folder per class."""
    root = tmp_path_factory.mktemp("photos")
    digits = load_digits()
    for i in range(360):
        folder = root / str(digits.target[i])
        folder.mkdir(exist_ok=True)
        Image.fromarray((digits.images[i] * 15.9).astype("uint8")).resize((16, 16)).save(folder / f"{i}.png")
    return root


def work(photos: str, out: str, resume: bool, workers: int) -> None:
    """What the child process does; it may die at any moment."""
    import torch

    from sightline import Recipe, train

    torch.set_num_threads(1)
    os.environ["SIGHTLINE_QUIET"] = "1"
    if resume:
        train(photos, resume=Path(out))
        return
    recipe = Recipe(epochs=12, batch_size=16, workers=workers, cache="0" if workers else None, size=16,
                    checkpoint_every="0.02s", augment="standard", ema=0.9)  # fmt: skip
    train(photos, model="lecture-cnn", out=Path(out), recipe=recipe, mixup=0.2)


def newest(out: Path) -> str:
    """Name of the newest checkpoint folder, whole or not."""
    return max((p.name for p in (out / "checkpoints").glob("last-*")), default="")


def kill_at_random(process: multiprocessing.process.BaseProcess, out: Path, rng: random.Random) -> bool:
    """Let the child get past the checkpoint it started from, then kill it; False if it was done before."""
    start, deadline = newest(out), time.monotonic() + 120
    while process.is_alive() and newest(out) == start and time.monotonic() < deadline:
        time.sleep(0.005)
    process.join(rng.uniform(0, 0.4))
    if not process.is_alive():
        return False
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return True


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_ten_random_moments(photos: Path, tmp_path: Path, workers: int) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = context.Process(target=work, args=(str(photos), str(whole), False, workers))
    process.start()
    process.join()
    assert process.exitcode == 0
    rng, kills, resume = random.Random(workers), 0, False
    while True:
        process = context.Process(target=work, args=(str(photos), str(broken), resume, workers))
        process.start()
        if kills == KILLS:
            process.join()
            assert process.exitcode == 0
            break
        if not kill_at_random(process, broken, rng):
            assert process.exitcode == 0
            break
        kills, resume = kills + 1, (broken / "splits.json").is_file()
        if Run.open(broken).record.status == "done":
            break
    assert kills >= 10
    first, second = (p / "model" / "model.safetensors" for p in (whole, broken))
    assert first.read_bytes() == second.read_bytes()
    drop = ("seconds", "progress")
    curves = [
        [{k: v for k, v in e.items() if k not in drop} for e in Run.open(p).events()] for p in (whole, broken)
    ]
    assert curves[0] == curves[1]
