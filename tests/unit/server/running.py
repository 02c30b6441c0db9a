"""A running server for tests, and a client that speaks plain HTTP to it."""

from __future__ import annotations

import http.client
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[3]
CODE = "import sys; from sightline.commands.serve import serve; serve(sys.argv[1:], port=0, threads=1)"
LONG = 60  # seconds after which a test is taken to hang


def png(value: int = 200, width: int = 12, height: int = 10) -> bytes:
    return encoded(np.full((height, width, 3), value, np.uint8), "PNG")


def encoded(array: np.ndarray, kind: str, mode: str | None = None, **settings: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(out, kind, **settings)
    return out.getvalue()


def form(*files: tuple[str, bytes], field: str = "file") -> tuple[bytes, str]:
    """Body and content type of a form with files."""
    edge = secrets.token_hex(8)
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content + b"\r\n" for name, content in files
    ]  # fmt: skip
    return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return str(self.json["error"]["reason"])


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        try:
            line.request(method, path, body, dict(headers or {}))
            reply = line.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            line.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def predict(
        self, content: bytes, kind: str = "image/png", path: str = "/v1/predict", **more: str
    ) -> Reply:
        return self.ask("POST", path, content, {"Content-Type": kind, **more})

    def send(self, *files: tuple[str, bytes], path: str = "/v1/predict", **more: str) -> Reply:
        body, kind = form(*files)
        return self.predict(body, kind, path, **more)

    def until_ready(self) -> None:
        end = time.monotonic() + LONG
        while self.get("/readyz").status != 200:
            assert time.monotonic() < end, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line for line in lines if line.get("event") == name]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONG)


@contextmanager
def serving(
    folder: Path,
    models: Mapping[str, str] | None = None,
    token: str = "",
    ready: bool = True,
    origins: Sequence[str] = (),
    **limits: Any,
) -> Iterator[Running]:
    """A server of fake models; killed at the end if it still runs."""
    requested = {
        "models": models or {"street": "quick"},
        "limits": limits,
        "token": token,
        "origins": origins,
    }
    log = folder / f"{secrets.token_hex(4)}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.server.launch", json.dumps(requested)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        assert process.stdout is not None
        outputs = process.stdout.readline()
        assert outputs, log.read_text()
        running = Running(process, int(outputs), log)
        if ready:
            running.until_ready()
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def serving_files(*files: Path) -> Iterator[Running]:
    """The verb `serve`, with exported files or runs; it must end well. Its log lies beside the first."""
    log = files[0].parent / f"{secrets.token_hex(4)}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *map(str, files)], stderr=errors, text=True, cwd=ROOT
        )
    try:
        end = time.monotonic() + LONG
        while '"listening"' not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        line = next(text for text in log.read_text().splitlines() if '"listening"' in text)
        running = Running(process, json.loads(line)["port"], log)
        running.until_ready()
        yield running
        assert running.stop() == 0
    finally:
        process.kill()
        process.wait()
