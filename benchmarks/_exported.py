"""Small exported models and a running `sightline serve`, for the benchmarks of the server."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

START = 300.0  # seconds that a server may take until it is ready


def trained(folder: Path, data: str, model: str, size: int) -> Path:
    """A model of one epoch, exported; good for speed, not for its answers."""
    run = folder / f"{model}-{size}"
    command = [sys.executable, "-m", "sightline"]
    options = ["--model", model, "--epochs", "1", "--size", str(size), "--device", "cpu"]
    for words in (
        ["train", data, *options, "--out", str(run)],
        ["export", str(run), "--max-score-drop", "100"],
    ):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"sightline {words[0]} failed: {done.stderr[-2000:]}")
    return run / "export" / f"{run.name}.onnx"


def jpeg(side: int, seed: int = 0) -> bytes:
    """An image of smooth colours, about as large as a photograph of its size."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8))
    out = io.BytesIO()
    coarse.resize((side, side)).save(out, "JPEG", quality=85)
    return out.getvalue()


@dataclass
class Serving:
    """A running server.

    Attributes:
        process: It.
        port: On 127.0.0.1.
        log: Its stderr.
    """

    process: psutil.Popen
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *self.process.children(recursive=True)]

    def memory(self) -> int:
        """Resident bytes of all its processes."""
        return sum(process.memory_info().rss for process in self.processes())

    def peaks(self) -> list[float]:
        """Most that each process has held, in MiB."""
        return [round(peak(process.pid), 1) for process in self.processes()]

    def seconds(self) -> list[float]:
        """Processor time so far: of the process that speaks HTTP, and of all others."""
        spent = [sum(process.cpu_times()[:2]) for process in self.processes()]
        return [spent[0], sum(spent[1:])]

    def metric(self, name: str, token: str = "") -> float:
        """Sum of a counter over its labels."""
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def peak(pid: int) -> float:
    """Most resident memory of a process so far, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@contextmanager
def serving(folder: Path, models: list[str], *options: str) -> Iterator[Serving]:
    """`sightline serve` on a free port of this machine, ended at the end."""
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "sightline", "serve", *models, "--port", "0", *options]
    with log.open("w") as errors:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=dict(os.environ))
    try:
        yield Serving(process, _port(process, log), log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except psutil.TimeoutExpired:
                process.kill()


def _port(process: psutil.Popen, log: Path) -> int:
    """Where it listens, once it is ready."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"sightline serve ended: {log.read_text()[-2000:]}")
        events = [json.loads(line) for line in log.read_text().splitlines() if '"listening"' in line]
        if events:
            port = int(events[0]["port"])
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30):
                    return port
            except urllib.error.HTTPError:
                pass
        time.sleep(0.1)
    sys.exit(f"sightline serve was not ready after {START:g} s: {log.read_text()[-2000:]}")
