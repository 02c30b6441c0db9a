"""Robust training on CIFAR-10 (7,000 images) beside plain training, both attacked.

python benchmarks/robust.py --data FOLDER/cifar10 [--epochs 12] [--images 300] [--folder RUNS]

A run that is already in the folder is attacked and not trained again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import sightline as sl
from _common import arguments, report
from sightline.audits import robust
from sightline.audits._budget import Budget
from sightline.audits._session import Wishes, open_case
from sightline.core.run import Run

BALL = "linf:8/255"


def measure(data: Path, folder: Path, ball: str | None, epochs: int, images: int) -> dict[str, Any]:
    """Train, and attack random test images."""
    started = time.process_time()
    if (folder / "results.json").is_file():
        run = Run.open(folder)
    else:
        run = sl.train(str(data), model="resnet-small", width=16, epochs=epochs, robust=ball, out=folder)
    trained = time.process_time() - started
    started = time.process_time()
    verdict = robust.run(open_case(run, Wishes(split="test"))[0], Budget(images))
    return {
        "test accuracy": run.results.scores["accuracy"].text(percent=True),
        "training, CPU-s": round(trained, 1),
        "attacks, CPU-s": round(time.process_time() - started, 1),
        **{name: score.text(percent=True) for name, score in verdict.scores.items() if "flags" not in name},
        "flags": list(verdict.flags),
        "verdict": verdict.level,
        "sentence": verdict.sentence,
    }


def main() -> None:
    args = arguments(__doc__ or "", data="cifar10", epochs=12, images=300, folder=None)
    with tempfile.TemporaryDirectory() as below:
        folder = Path(args.folder or below)
        results = {
            name: measure(args.data, folder / name, ball, args.epochs, args.images)
            for name, ball in (("robust", BALL), ("plain", None))
        }
    report("robust", results, args.json)


if __name__ == "__main__":
    main()
