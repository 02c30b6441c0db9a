"""`--resize rect` beside `letterbox`, on blood cells cut to portrait and landscape images.

    python benchmarks/rect.py [--data FOLDER] [--seeds 0,1]

FOLDER is bccd. Every image is cut at random to a share of its width or of its height; a box stays if half of
it is left. Both ways get the same images, seeds and epochs; counts the seconds of the processor.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import sightline as sl
from _common import arguments, report
from sightline.core.dataset import Dataset
from sightline.core.targets.instances import Instances
from sightline.data.formats import coco
from sightline.data.io.pixels import Files
from sightline.data.open import open_data

SIZE, EPOCHS = 256, 12


def mixed(data: Path, folder: Path) -> Dataset:
    """The images, cut; half of them become portraits."""
    dataset, rng = open_data(data), np.random.default_rng(0)
    folder.mkdir()
    files, places, sizes = [], [], []
    for i in range(len(dataset)):
        image = dataset.pixels.read(i)
        h, w = image.shape[:2]
        if i % 2:
            w = int(w * rng.uniform(0.4, 0.7))
        else:
            h = int(h * rng.uniform(0.5, 0.9))
        y, x = (int(rng.integers(n - m + 1)) for n, m in zip(image.shape[:2], (h, w), strict=True))
        files.append(folder / f"{i:03d}.png")
        Image.fromarray(image[y : y + h, x : x + w]).save(files[-1])
        places.append([[1, 0, -x], [0, 1, -y]])
        sizes.append([h, w])
    moves = torch.tensor(places, dtype=torch.float64)
    targets = dataset.targets_as(Instances).warp(moves, torch.tensor(sizes), least=0.5)
    return replace(dataset, pixels=Files(files), targets=targets)


def measured(folder: Path, resize: str, seed: int, out: Path) -> dict[str, Any]:
    """Score on the test part, and what the command took."""
    started = time.process_time()
    run = sl.train(
        str(folder), task="detect", model="yolo-n", resize=resize, size=SIZE, epochs=EPOCHS, seed=seed,
        device="cpu", out=out,
    )  # fmt: skip
    taken = time.process_time() - started
    score = run.results.scores["mAP50-95"]
    return {
        "mAP50-95": [round(v, 4) for v in (score.value, score.low, score.high)],
        "seconds of the processor": round(taken),
    }


def main() -> None:
    args = arguments(__doc__ or "", data="bccd", seeds="0,1")
    data = args.data if (args.data / "Annotations").is_dir() else args.data / "bccd"
    results = {}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "mixed"
        coco.write(mixed(data, Path(work) / "cut"), folder)
        for seed in map(int, args.seeds.split(",")):
            for resize in ("letterbox", "rect"):
                name = f"{resize}, seed {seed}"
                results[name] = measured(folder, resize, seed, Path(work) / name)
                print(name, results[name], flush=True)
    report("rect", results, args.json)


if __name__ == "__main__":
    main()
