"""No telemetry: nothing opens a connection, from check to report; nothing is written into the data."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest


def test_no_connection_is_opened(sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_OFFLINE", raising=False)
    opened: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        opened.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: connect(None, a))  # type: ignore[arg-type]
    quick = ("--model", "perceptron", "--epochs", 1)
    for command in (
        ("check", photos),
        ("train", photos, *quick, "--out", "run"),
        ("evaluate", "run"),
        ("predict", "run", photos),
        ("models",),
        ("weights",),
        ("weights", "--all"),
    ):
        assert sightline(*command).code == 0, command
    assert opened == []


def test_the_data_folder_is_left_as_it_was(sightline: Callable, photos: Path) -> None:
    def state() -> dict[str, tuple[bytes, int]]:
        files = (p for p in photos.rglob("*") if p.is_file())
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}

    before = state()
    assert sightline("train", photos, "--model", "perceptron", "--epochs", 1, "--out", "run").code == 0
    assert state() == before


class Watched:
    """Commands in processes of their own, with an empty home.

    Connections of compiled parts are seen where the system has strace; Python's own are not all there are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.trace = folder, folder / "home", folder / "trace"
        self.home.mkdir()
        ours = ("XDG_", "ORT_", "MPL", "HF_", "NNCF", "SIGHTLINE_OFFLINE")
        selected = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.env = {**selected, "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}
        self.watch = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-e",
            "trace=connect,sendto",
            "-o",
            str(self.trace),
        ]
        if shutil.which("strace") is None or subprocess.run([*self.watch, "true"], check=False).returncode:
            self.watch = []

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [*self.watch, sys.executable, *map(str, arguments)]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: object) -> None:
        process = self.start(*arguments)
        outputs, _ = process.communicate()
        assert process.returncode == 0, outputs
        self.nothing_left(*arguments)

    def nothing_left(self, *what: object) -> None:
        assert [str(p.relative_to(self.home)) for p in self.home.rglob("*")] == [], what
        lines = self.trace.read_text(errors="replace").splitlines() if self.trace.is_file() else []
        outside = [x for x in lines if re.search(r"AF_INET6?\b", x) and not re.search(r'"(127\.|::1")', x)]
        assert outside == [], what


def test_the_runtimes_below_do_not_report_either(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    """ONNX Runtime and OpenVINO would write a number of the machine into the home folder and send it."""
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    small = ("--model", "lenet5", "--size", 32, "--epochs", 1)
    result = sightline("train", "shapes:one:60", *small, "--out", "run")
    assert result.code == 0, result.err
    watched = Watched(tmp_path)
    calls = ['sightline.export("run", max_score_drop=100)', 'sightline.benchmark("run", seconds=0.01)']
    if find_spec("openvino"):
        calls.insert(0, 'sightline.export("run", to="openvino", max_score_drop=100)')
    (tmp_path / "all.py").write_text(
        "import sightline\nif __name__ == '__main__':\n    " + "\n    ".join(calls) + "\n"
    )
    watched.run("all.py")
    watched.run("-m", "sightline.runtime", "run/export/run.onnx", photos / "day" / "000.png")
    if find_spec("uvicorn") is None:
        return
    server = watched.start("-m", "sightline", "serve", "run", "--port", 0)
    try:
        assert server.stdout is not None
        assert any("Serving" in line for line in server.stdout)
        time.sleep(1)  # what reports does so soon after it has started
    finally:
        below = psutil.Process(server.pid).children() if watched.watch else [psutil.Process(server.pid)]
        for process in below:
            process.send_signal(signal.SIGINT)
        server.communicate()
    watched.nothing_left("serve")
