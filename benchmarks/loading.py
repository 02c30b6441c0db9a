"""Loading: images a second beside a plain torchvision pipeline, memory, and the loader alone on MNIST.

    python benchmarks/loading.py --data FOLDER [--photos 2000] [--workers 2] [--rounds 3] [--json FILE]

FOLDER holds images in any depth, from which JPEG files of about 500 x 375 are cut; MNIST is read from
its subfolder `mnist` where there is one. Both sides give float batches (64, 3, 224, 224), cropped and
resized at random, mirrored and normalised, with the same number of workers and one thread in each. They
take turns, so that what else runs on the machine disturbs both; processor time, on Linux, is disturbed less.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command sets it; both sides gain by it

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from _common import arguments, report
from sightline.core.model import Model
from sightline.data.loading.loader import Loader
from sightline.data.open import open_data
from sightline.data.transforms.standard import standard
from sightline.data.transforms.steps import random_resized_crop

SIDE, BATCH, CLASSES, AREA = 224, 64, 10, (0.35, 1.0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_photos(source: Path, folder: Path, n: int) -> None:
    """JPEG files of about 500 x 375, quality 85 to 90, in a folder for each of 10 made-up classes."""
    kinds = {".jpg", ".jpeg", ".png", ".ppm"}
    files = sorted(f for f in source.rglob("*") if f.suffix.lower() in kinds and "annot" not in str(f))
    large = []
    for file in files:
        with Image.open(file) as image:
            if min(image.size) >= 200 and image.mode == "RGB":
                large.append(file)
    rng = np.random.default_rng(0)
    for i in range(n):
        with Image.open(large[rng.integers(len(large))]) as image:
            width = int(min(image.width, image.height * 4 / 3) * rng.uniform(0.7, 1))
            height = min(image.height, int(width * 0.75))
            x, y = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
            size = int(rng.integers(450, 551)), int(rng.integers(340, 411))
            cut = image.crop((x, y, x + width, y + height)).resize(size, Image.Resampling.BICUBIC)
        path = folder / f"class{i % CLASSES}" / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cut.save(path, quality=int(rng.integers(85, 91)))


def plain(photos: Path, workers: int) -> Callable[[int], int]:
    """One epoch as the tutorials of torchvision write it."""
    steps = [transforms.RandomResizedCrop(SIDE, scale=AREA), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    images = datasets.ImageFolder(photos, transforms.Compose(steps))
    batches = DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda epoch: sum(len(x) for x, _ in batches)


def ours(photos: Path, folder: Path, workers: int, cache: int = 2 * 1024**3) -> Callable[[int], int]:
    """One epoch of ours, normalised as a model does it."""
    pixels = SimpleNamespace(mean=torch.tensor(MEAN).view(1, 3, 1, 1), std=torch.tensor(STD).view(1, 3, 1, 1))
    batches = Loader(
        open_data(str(photos)),
        size=(SIDE, SIDE),
        batch_size=BATCH,
        train=True,
        workers=workers,
        cache=cache,
        cache_dir=folder,
        augment=lambda progress: random_resized_crop(AREA, flip=True),
    )
    return lambda epoch: sum(len(Model.normalize(pixels, b.images)) for b in batches.epoch(epoch))  # type: ignore[arg-type]


def processor() -> float:
    """Seconds of the processor that this process and its living children have taken so far."""
    if sys.platform != "linux":
        return float("nan")
    total = 0
    for pid in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(after_name[11]) + int(after_name[12])
    return total / os.sysconf("SC_CLK_TCK")


def timed(epoch: Callable[[int], int], number: int) -> tuple[float, float]:
    """Images a second; milliseconds of the processor an image."""
    start, used = time.perf_counter(), processor()
    n = epoch(number)
    return n / (time.perf_counter() - start), 1000 * (processor() - used) / n


def speed(photos: Path, cache: Path, workers: int, rounds: int) -> dict[str, Any]:
    """Images a second and processor time, taking turns; medians and their ratios."""
    names = ("plain first", "plain second", "ours first", "ours second")
    rows: dict[str, list[float]] = {name: [] for name in names}
    used: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        sides = {"plain": plain(photos, workers), "ours": ours(photos, cache, workers)}
        for number, name in enumerate(("first", "second")):
            for side, epoch in sides.items():
                rate, spent = timed(epoch, number)
                rows[f"{side} {name}"].append(rate)
                used[f"{side} {name}"].append(spent)
    middle, cost = ({name: median(values) for name, values in some.items()} for some in (rows, used))
    ratios = {n: middle[f"ours {n}"] / middle[f"plain {n}"] for n in ("first", "second")}
    each = {n: [o / p for o, p in zip(rows[f"ours {n}"], rows[f"plain {n}"], strict=True)] for n in ratios}
    saved = {n: cost[f"plain {n}"] / cost[f"ours {n}"] for n in ratios}
    return {
        "images a second": middle,
        "ratio": ratios,
        "ratio in each round": each,
        "rounds": rows,
        "processor ms an image": cost,
        "ratio of processor time": saved,
        "processor ms in each round": used,
    }


def peak() -> float:
    """Largest resident memory of this process so far, in MiB. (What getrusage says counts the parent's.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure_memory(photos: Path, cache: Path, room: int, epochs: int) -> None:
    """Print the peak after each epoch; run in a process of its own."""
    epoch = ours(photos, cache, 2, room)
    for number in range(epochs):
        epoch(number)
        print(f"{peak():.1f}", flush=True)


def memory(photos: Path, few: Path, cache: Path) -> dict[str, Any]:
    """Peak memory over 20 epochs, and by the number of files without cache."""

    def peaks(folder: Path, room: int, epochs: int) -> list[float]:
        command = [sys.executable, __file__, "--data", str(folder), "--epochs", str(epochs)]
        command += ["--room", str(room), "--cache-folder", str(cache)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [float(line) for line in out.split()]

    twenty = peaks(few, 2 * 1024**3, 20)
    off = {"500 files": peaks(few, 0, 2)[-1], "all files": peaks(photos, 0, 2)[-1]}
    growth = {"after epoch 3": twenty[2], "after epoch 20": twenty[-1]}
    return {"MiB over 20 epochs of 500 files, cached": growth, "MiB without cache": off}


def mnist(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds an epoch of 60,000 digits takes the loader alone, augmented, in batches of 256."""
    data = open_data(str(folder))
    size = (28, 28)
    batches = Loader(
        data.subset(data.indices_of("train")),
        size=size,
        channels=1,
        batch_size=256,
        train=True,
        augment=lambda progress: standard("standard", flip=False, size=size, gray=True),
    )
    times = []
    for number in range(rounds + 1):
        start = time.perf_counter()
        n = sum(len(b) for b in batches.epoch(number))
        times.append(time.perf_counter() - start)
    return {"images": n, "seconds": min(times), "rounds": times}


def main() -> None:
    args = arguments(
        "Loading beside plain torchvision", data="", photos=2000, workers=2, rounds=3, epochs=0, room=0,
        cache_folder="",
    )  # fmt: skip
    if args.epochs:
        measure_memory(args.data, Path(args.cache_folder), args.room, args.epochs)
        return
    with tempfile.TemporaryDirectory() as temporary:
        photos, few, cache = (Path(temporary) / name for name in ("photos", "few", "cache"))
        make_photos(args.data, photos, args.photos)
        make_photos(args.data, few, min(500, args.photos))
        results = {
            "photos": args.photos,
            "workers": args.workers,
            "speed": speed(photos, cache, args.workers, args.rounds),
        }
        if sys.platform == "linux":
            results["memory"] = memory(photos, few, cache)
    if (args.data / "mnist").is_dir():
        results["mnist"] = mnist(args.data / "mnist", args.rounds)
    report("loading", results, args.json)


if __name__ == "__main__":
    main()
