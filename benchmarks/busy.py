"""What other programs on the same cores cost: an epoch on a quiet machine and beside two busy processes.

"Before" is how it was without `training/threads.py` and the wait policy that the command sets: all cores, and
libgomp's own 300,000 rounds of a spin loop before a thread sleeps.

python benchmarks/busy.py
"""

from __future__ import annotations

import json
import os
import resource
import signal
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
    """192 colored images of 128 pixels in four classes."""
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
    """Two processes that never rest, or none. Each is in a session of its own, as foreign programs are."""
    others = [subprocess.Popen(BUSY, start_new_session=True) for _ in range(2 * busy)]
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


def finished(events: Path) -> list[float]:
    """Seconds of the epochs that are done."""
    text = events.read_text(encoding="utf-8") if events.exists() else ""
    return [json.loads(line)["seconds"] for line in text.split("\n")[:-1]]  # the last may be half written


def watched(process: subprocess.Popen[bytes], out: Path, wanted: int, limit: float) -> list[float]:
    """Seconds of each epoch but the first; stops the process when so many are done.

    Where they are not after the limit, which counts from the beginning of training, the epoch under way is
    counted with what it has taken so far, if that is more than any before it.
    """
    begun = since = 0.0
    done: list[float] = []
    while len(done) < wanted and not (begun and time.monotonic() - begun > limit):
        time.sleep(0.1)
        if process.poll():
            raise SystemExit(f"{process.args!r} failed with exit code {process.returncode}.")
        if not begun and (out / "splits.json").exists():
            begun = since = time.monotonic()
        now = finished(out / "events.jsonl")
        if len(now) > len(done):
            done, since = now, time.monotonic()
    epochs_done, under_way = done[1:], time.monotonic() - since
    return (
        epochs_done
        if len(done) == wanted or under_way < max(epochs_done, default=0)
        else [*epochs_done, under_way]
    )


def epochs(command: list[str], policy: str, busy: bool, limit: float) -> tuple[list[float], float]:
    """Seconds of each of three epochs after the first; cores that strangers used."""
    env = {name: value for name, value in os.environ.items() if name not in OURS} | POLICIES[policy]
    with tempfile.TemporaryDirectory() as folder, beside(busy):
        out, started, (total, own_seconds) = Path(folder) / "run", time.monotonic(), used()
        process = subprocess.Popen(
            [sys.executable, "-m", "sightline", "train", *command, "--epochs", "4", "--device", "cpu",
             "--out", str(out)],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            seconds_each = watched(process, out, 4, limit)
        finally:
            process.kill()
            process.wait()
        (now, children), seconds = used(), time.monotonic() - started
    return seconds_each, round((now - total - children + own_seconds) / seconds, 2)


def main() -> None:
    # A benchmark that is stopped must not leave the two busy processes behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = arguments(__doc__ or "", rounds=3, limit=100.0)
    results: dict[str, Any] = {"beside": " ".join(BUSY[1:]), "limit of four epochs, s": args.limit}
    with tempfile.TemporaryDirectory() as folder:
        images = str(photographs(Path(folder) / "photographs"))
        for name, command in {
            "digits": ["digits"],
            "tf_efficientnet_lite0": [
                images, "--model", "tf_efficientnet_lite0", "--size", "128", "--pretrained", "no",
                "--batch-size", "32",
            ],
        }.items():  # fmt: skip
            arms = [(policy, busy) for policy in POLICIES for busy in (False, True)]
            runs: dict[Any, list[Any]] = {arm: [] for arm in arms}
            for _ in range(args.rounds):
                for arm in arms:
                    runs[arm].append(epochs(command, *arm, args.limit))
                    print(name, arm, runs[arm][-1], file=sys.stderr, flush=True)
            results[name] = summary(runs)
    report("busy", results, args.json)


def summary(runs: dict[tuple[str, bool], list[tuple[list[float], float]]]) -> dict[str, Any]:
    """Smallest, median and largest seconds of an epoch, and the ratios of busy to quiet, round by round."""

    def spread(values: list[float]) -> list[float]:
        return [round(v, 2) for v in (min(values), statistics.median(values), max(values))]

    table: dict[str, Any] = {}
    for policy in POLICIES:
        quiet, busy = ([statistics.median(e) for e, _ in runs[policy, b]] for b in (False, True))
        table[policy] = {
            "quiet, s": spread(quiet),
            "busy, s": spread(busy),
            "busy / quiet": spread([b / q for b, q in zip(busy, quiet, strict=True)]),
            "cores that strangers used while quiet": spread([s for _, s in runs[policy, False]]),
        }
    return table


if __name__ == "__main__":
    main()
