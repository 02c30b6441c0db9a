"""What the training loop costs above a hand-written one, and whether memory grows over 20 epochs.

python benchmarks/overhead.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from _common import arguments, report
from sightline.core.dataset import Classes, Dataset
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays
from sightline.data.loading.loader import Loader
from sightline.devices import Devices
from sightline.tasks.classify.models.net import Net
from sightline.training.callbacks.base import Callback
from sightline.training.recipe import DEFAULTS, Recipe
from sightline.training.trainers import gradient

BATCH = 128


def data(n: int) -> Dataset:
    """Random images of the size of MNIST."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)
    labels = ClassLabels(torch.from_numpy(rng.integers(0, 10, n)))
    names = tuple(map(str, range(10)))
    return Dataset("noise", "noise", [str(i) for i in range(n)], Arrays(images), labels, Classes(names))


def net() -> Net:
    """LeNet-5 for ten classes."""
    torch.manual_seed(0)
    return Net({
        "backbone": "lenet5", "backbone_options": {}, "classes": [str(i) for i in range(10)], "channels": 1,
        "size": [28, 28], "mean": [0.5], "std": [0.3], "multilabel": False, "class_weights": [1.0] * 10,
        "label_smoothing": 0.0, "temperature": 1.0,
    })  # fmt: skip


def loader(dataset: Dataset) -> Loader:
    """The same batches for both loops."""
    return Loader(dataset, size=(28, 28), resize="stretch", channels=1, batch_size=BATCH, train=True)


def by_hand(dataset: Dataset) -> float:
    """Seconds of one epoch of the plainest loop over the same loader and the same loss."""
    model, batches = net().to(memory_format=torch.channels_last), loader(dataset)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    rng = torch.Generator()
    model.train()
    started = time.perf_counter()
    for batch in batches.epoch(1):
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch, rng)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return time.perf_counter() - started


class Watch(Callback):
    """Seconds and resident memory after every epoch."""

    def __init__(self) -> None:
        self.memory: list[int] = []

    def epoch(self, training: Any, logs: dict[str, Any]) -> bool:
        self.memory.append(psutil.Process().memory_info().rss)
        return False


def by_engine(dataset: Dataset, epochs: int = 1) -> tuple[float, list[int]]:
    """Seconds of training, without validation and checkpoints at the end of an epoch; memory."""
    recipe = Recipe(epochs=epochs, batch_size=BATCH, lr=1e-3).filled(DEFAULTS)
    watch, ended = Watch(), []

    def validate(model: Model) -> dict[str, float]:
        ended.append(time.perf_counter())
        return {"val_loss": 1.0, "val_score": 0.0}

    with tempfile.TemporaryDirectory() as out:
        run = Run.create(Path(out) / "run", RunRecord())
        devices = Devices.start("cpu", "fp32")
        model = net().to(memory_format=torch.channels_last)
        started = time.perf_counter()
        gradient.fit(model, loader(dataset), validate, recipe, run, devices, seed=0, callbacks=[watch])
        return ended[0] - started, watch.memory


def main() -> None:
    args = arguments(__doc__ or "", rounds=7, images=30_000)
    dataset = data(args.images)
    torch.set_num_threads(1)  # what the engine gives so small a network, to the loop by hand too
    by_hand(dataset), by_engine(dataset)
    pairs = [(by_hand(dataset), by_engine(dataset)[0]) for _ in range(args.rounds)]
    ratios = sorted(b / a for a, b in pairs)
    memory = by_engine(data(3000), epochs=20)[1]
    report("overhead", {
        "by hand, s": statistics.median(a for a, _ in pairs),
        "engine, s": statistics.median(b for _, b in pairs),
        "engine / by hand, median": round(statistics.median(ratios), 4),
        "smallest and largest": [round(ratios[0], 4), round(ratios[-1], 4)],
        "memory after epochs 2, 10, 20, MiB": [round(memory[i] / 2**20, 1) for i in (1, 9, 19)],
    }, args.json)  # fmt: skip


if __name__ == "__main__":
    main()
