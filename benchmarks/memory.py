"""Is memory flat over training of a detector, and over prediction of a long video?

    python benchmarks/memory.py [--epochs 10] [--frames 2000] [--size 128] [--data DATA] [--json FILE]

Each part runs in a process of its own: memory that an earlier part gave back would hide growth. (a) yolo-n
is trained; resident memory is read after every epoch. (b) The trained model predicts a film of 640 x 360
pixels that the script makes, and writes it with the boxes drawn on, as `sightline predict --out` does;
resident memory is read after every tenth of the frames. Beside the ratio of the last to an early reading
stands the largest, so that nothing hides between the two.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from _common import report
from sightline.commands.predict import predict
from sightline.core.run import Run
from sightline.data.io.video_writer import VideoWriter
from sightline.devices import Devices
from sightline.training.arguments import TrainArguments
from sightline.training.callbacks.base import Callback
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe
from sightline.training.runner import fit, model_config, run_record

STATUS = Path("/proc/self/status")
WIDTH, HEIGHT, FPS = 640, 360, 25


def resident() -> float:
    """Resident memory of this process, in MiB."""
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


class Watch(Callback):
    """Resident memory after every epoch."""

    def __init__(self) -> None:
        self.memory: list[float] = []

    def epoch(self, training: Any, logs: dict[str, Any]) -> bool:
        self.memory.append(resident())
        return False


def train(out: Path, data: str, size: int, epochs: int) -> list[float]:
    """Train yolo-n as `sightline train` does, and keep the model in a run folder; MiB after each epoch."""
    recipe = Recipe(epochs=epochs, size=size)
    train_plan = make_plan(TrainArguments(data, model="yolo-n", pretrained="no", device="cpu", recipe=recipe))
    devices, watch = Devices.start("cpu", train_plan.recipe.precision), Watch()
    run = Run.create(out, run_record(train_plan, "train"))
    model, _ = fit(train_plan, run, devices, extra=[watch])
    run.save_model(model.state_dict(), model_config(train_plan, model.settings))
    return watch.memory


def film(file: Path, frames: int) -> None:
    """Bright squares that wander over a ground of slow waves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    with VideoWriter(file, FPS) as writer:
        for i in range(frames):
            ground = 60 + 30 * np.sin((x + 3 * i) / 40) + 20 * np.cos((y - i) / 25)
            pixels = np.repeat(ground.astype(np.uint8)[:, :, None], 3, 2)
            for k in range(4):
                top, left = (i * (k + 1) + 70 * k) % (HEIGHT - 80), (i * (5 - k) + 130 * k) % (WIDTH - 80)
                pixels[top : top + 80, left : left + 80, k % 3] = 230
            writer.add(pixels, i / FPS)


def watched(run: Path, file: Path, out: Path, frames: int) -> list[float]:
    """Predict a film and write it with boxes; MiB after each tenth of its frames."""
    memory: list[float] = []

    def track(answers: Iterable[Any], what: str) -> Iterator[Any]:
        for n, answer in enumerate(answers, 1):
            yield answer  # the reading comes when the answer has been written
            if n * 10 // frames > (n - 1) * 10 // frames:
                memory.append(resident())

    with mock.patch.object(predict, "track", track):
        summary = predict(run, [str(file)], out=out, device="cpu")
    if summary.total != frames or summary.errors:
        sys.exit(f"{summary.total} of {frames} frames were predicted: {summary.errors}")
    return memory


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives, run in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def said(memory: list[float], early: int) -> dict[str, Any]:
    """All readings, and the ratio of the last, and of the largest since, to the early one."""
    start = memory[early]
    return {
        "early, MiB": round(start, 1),
        "last, MiB": round(memory[-1], 1),
        "last / early": round(memory[-1] / start, 4),
        "largest since / early": round(max(memory[early:]) / start, 4),
        "all, MiB": [round(m, 1) for m in memory],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="shapes:boxes:400", help="data set with boxes")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not STATUS.is_file():
        sys.exit(f"Resident memory is read from {STATUS}, which only Linux has. Nothing was measured.")
    if args.epochs < 3 or args.frames < 20:
        parser.error("--epochs must be at least 3 and --frames at least 20, or there is no early and late")
    with tempfile.TemporaryDirectory() as folder:
        run, file = Path(folder) / "run", Path(folder) / "film.mp4"
        epochs = alone(train, run, args.data, args.size, args.epochs)
        alone(film, file, args.frames)
        frames = alone(watched, run, file, Path(folder) / "drawn", args.frames)
    report("memory", {
        f"training, after epochs 2 and {args.epochs}": said(epochs, 1),
        f"prediction, after frames {-(-args.frames // 10)} and {args.frames}": said(frames, 0),
    }, args.json)  # fmt: skip


if __name__ == "__main__":
    main()
