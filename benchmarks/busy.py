"""What other programs on the same cores cost: an epoch on a quiet machine and beside two busy processes.

"Before" is how it was without `engine/threads.py` and the wait policy that the command sets: all cores, and
libgomp's own 300,000 rounds of a spin loop before a thread sleeps.

python benchmarks/busy.py
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from _common import arguments, report

POLICIES = {
    "before": {"OMP_NUM_THREADS": str(psutil.cpu_count()), "GOMP_SPINCOUNT": "300000"},
    "after": {},
}
OURS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
BUSY = [sys.executable, "-c", "while True: pass"]


def photographs(folder: Path) -> Path:
    """192 colored pictures of 128 pixels in four classes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    for c in range(4):
        (folder / str(c)).mkdir(parents=True)
        for i in range(48):
            slopes = (x / (4 + 3 * c) + i, y / (5 + c), (x + y) / (9 - c))
            waves = np.sin(np.stack(slopes, -1))
            pixels = (128 + 60 * waves + rng.normal(0, 30, waves.shape)).clip(0, 255).astype("uint8")
            Image.fromarray(pixels).save(folder / str(c) / f"{i}.png")
    return folder


@contextmanager
def beside(busy: bool) -> Iterator[None]:
    """Two processes that never rest, or none."""
    others = [subprocess.Popen(BUSY) for _ in range(2 * busy)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def used() -> tuple[float, float]:
    """Seconds of all cores in use since the start, and those of this process's children that have ended."""
    now, children = psutil.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.user + now.nice + now.system, children.ru_utime + children.ru_stime


def epochs(command: list[str], policy: str, busy: bool, limit: float) -> tuple[list[float], float]:
    """Seconds of each epoch but the first, or the limit if it was reached; cores that strangers used."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    with tempfile.TemporaryDirectory() as folder:
        out, started, (total, own) = Path(folder) / "run", time.monotonic(), used()
        line = [sys.executable, "-m", "sightline", "train", *command, "--device", "cpu", "--out", str(out)]
        with beside(busy):
            process = subprocess.Popen(
                line, env=env | POLICIES[policy], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        seconds = time.monotonic() - started
        events = out / "events.jsonl"
        lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
        now, children = used()
    strangers = (now - total - children + own) / seconds
    return [json.loads(line)["seconds"] for line in lines][1:] or [limit], round(strangers, 2)


def main() -> None:
    found = arguments(__doc__ or "", rounds=3, limit=100.0)
    results: dict[str, Any] = {"beside": " ".join(BUSY[1:]), "limit of a process, s": found.limit}
    with tempfile.TemporaryDirectory() as folder:
        pictures = str(photographs(Path(folder) / "photographs"))
        for name, command in {
            "digits": ["digits", "--epochs", "4"],
            "tf_efficientnet_lite0": [
                pictures, "--model", "tf_efficientnet_lite0", "--size", "128", "--pretrained", "no",
                "--epochs", "3", "--batch-size", "32",
            ],
        }.items():  # fmt: skip
            arms = [(policy, busy) for policy in POLICIES for busy in (False, True)]
            runs: dict[Any, list[Any]] = {arm: [] for arm in arms}
            for _ in range(found.rounds):
                for arm in arms:
                    runs[arm].append(epochs(command, *arm, found.limit))
                    print(name, arm, runs[arm][-1], file=sys.stderr, flush=True)
            results[name] = summary(runs)
    report("busy", results, found.json)


def summary(runs: dict[tuple[str, bool], list[tuple[list[float], float]]]) -> dict[str, Any]:
    """Smallest, median and largest seconds of an epoch, and the ratios of busy to quiet, round by round."""

    def spread(values: list[float]) -> list[float]:
        return [round(v, 2) for v in (min(values), statistics.median(values), max(values))]

    told: dict[str, Any] = {}
    for policy in POLICIES:
        quiet, busy = ([statistics.median(e) for e, _ in runs[policy, b]] for b in (False, True))
        told[policy] = {
            "quiet, s": spread(quiet),
            "busy, s": spread(busy),
            "busy / quiet": spread([b / q for b, q in zip(busy, quiet, strict=True)]),
            "cores that strangers used while quiet": spread([s for _, s in runs[policy, False]]),
        }
    return told


if __name__ == "__main__":
    main()
