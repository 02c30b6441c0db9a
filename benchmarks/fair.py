"""Colored MNIST: the class is whether a digit is 5 or more, and its color says it in 99 % of the training and
validation images; in the test images color says nothing. Plain training beside the three kinds of --fair.

python benchmarks/fair.py --data FOLDER/mnist [--seeds 1] [--epochs 3] [--images 30000]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import sightline as sl
from _common import arguments, report
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data

AGREE = 0.99
KINDS = (None, "balanced", "dro", "last-layer")


def write(data: Path, root: Path, images: int, seed: int) -> Path:
    """The table of paths, with the colors as a column."""
    source, rng = open_data(str(data)), np.random.default_rng(seed)
    parts = {name: source.indices_of(name) for name in ("train", "test")}
    parts["train"] = rng.permutation(parts["train"])[:images]
    rows = ["path,label,color,split"]
    for part, where in parts.items():
        (root / part).mkdir(parents=True)
        for i in where.tolist():
            gray, label = source.pixels.read(i)[..., 0], int(source.targets[i : i + 1].value) >= 5
            red = label == (rng.random() < (AGREE if part == "train" else 0.5))
            pixels = np.zeros((*gray.shape, 3), np.uint8)
            pixels[..., 0 if red else 1] = gray
            path = f"{part}/{i}.png"
            (root / path).write_bytes(encode_png(pixels))
            split = part if part == "test" or rng.random() < 0.85 else "val"
            rows.append(f"{path},{'high' if label else 'low'},{'red' if red else 'green'},{split}")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return root / "labels.csv"


def by_group(run: Any, table: Path) -> dict[str, Any]:
    """Accuracy of the worst group, the mean of the groups, and best minus worst, on test."""
    ids, prediction, target = run.predictions("test")
    lines = [line.split(",") for line in table.read_text("utf-8").splitlines()[1:]]
    groups = {path: f"{color}, {label}" for path, label, color, _ in lines}
    of = np.array([groups[item] for item in ids])
    right = (prediction.value == target.value).double().numpy()
    means = {name: float(right[of == name].mean()) for name in np.unique(of)}
    values = list(means.values())
    return {"worst": min(values), "mean": float(np.mean(values)), "gap": max(values) - min(values), **means}


def main() -> None:
    args = arguments(__doc__ or "", data="mnist", seeds=1, epochs=3, images=30_000)
    results: dict[str, Any] = {}
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as below:
            table = write(args.data, Path(below) / "data", args.images, seed)
            for kind in KINDS:
                started = time.process_time()
                options = {} if kind is None else {"fair": kind, "group": "color"}
                run = sl.train(
                    str(table), target="label", model="cnn-tiny", epochs=args.epochs, seed=seed, hflip="no",
                    out=Path(below) / f"run-{kind}",
                    accept=("near-duplicates-across-splits", "duplicates-across-splits"), **options,
                )  # fmt: skip
                seconds = round(time.process_time() - started, 1)
                results[f"{kind or 'plain'}, seed {seed}"] = {**by_group(run, table), "CPU-s": seconds}
    report("fair", results, args.json)


if __name__ == "__main__":
    main()
