"""The server under load: throughput, times, overload, memory, and its end.

    python benchmarks/server.py [--seconds 10] [--requests 100000] [--model FILE.onnx] [--json FILE]

Load comes from hey (apt-get install hey; github.com/rakyll/hey), which is closed loop and tells time and
status of every answer: each of its connections asks again as soon as it is answered, refused or not. All
is on the loopback interface, with one worker of one thread (--threads 1), one JPEG that is sent again and
again, and default limits. Without --model three models are trained for an epoch: `cnn-tiny` at 32 pixels,
which has nearly nothing to compute (what is measured is HTTP), `resnet-small` at 64 and `yolo-n` at 128.

- bare: `Session.predict` of the same bytes, batches of 8, one thread, in a process of its own, before and
  after the server was measured (mean of both);
- peak: answers a second with 16 connections, and the processor's time for each; in five parts, each followed
  by one of overload, so that a machine that is faster now and slower then does not decide their ratio (the
  median of five);
- 70 %: as many connections as come nearest to 70 % of the peak; and, harder, an open loop of our own:
  requests at random moments (Poisson) at 70 % of the peak, whether others are answered or not;
- overload: 160 connections;
- memory: resident bytes of all processes of the server, after a tenth of the requests and after all;
- SIGTERM while 24 connections ask: whether all that was sent is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import http.client
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _exported import Serving, jpeg, serving, trained

PEAK, MOST = 16, 160
"""Connections at the peak, and in overload."""
LOAD, PARTS = 0.7, 5
CLIENTS = 24
MODELS = {"cnn-tiny": ("shapes", 32), "resnet-small": ("shapes", 64), "yolo-n": ("shapes:boxes:200", 128)}
BARE = """
import sys, time
from pathlib import Path
from sightline.runtime.session import Session
session, data, seconds = Session(sys.argv[1], threads=1), Path(sys.argv[2]).read_bytes(), float(sys.argv[3])
list(session.predict([data] * 16))
n, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    n += len(list(session.predict([data] * 8)))
print(n / (time.perf_counter() - start))
"""


@dataclass
class Answers:
    """What hey saw: status and seconds of each answer; and for how long it asked."""

    status: np.ndarray
    seconds: np.ndarray
    lasted: float

    @property
    def rate(self) -> float:
        """Predictions a second."""
        return float((self.status == 200).sum() / self.lasted)

    def times(self, status: int, *shares: float) -> list[float | None]:
        """Percentiles in ms of answers of a status."""
        of_it = self.seconds[self.status == status]
        return [round(1000 * float(np.percentile(of_it, p)), 2) if len(of_it) else None for p in shares]

    @classmethod
    def of(cls, parts: Sequence[Answers]) -> Answers:
        """All of several."""
        return cls(np.concatenate([p.status for p in parts]), np.concatenate([p.seconds for p in parts]),
                   sum(p.lasted for p in parts))  # fmt: skip

    def counts(self) -> dict[str, int]:
        kinds, numbers = np.unique(self.status, return_counts=True)
        return {str(k): int(n) for k, n in zip(kinds, numbers, strict=True)}


def hey(server: Serving, body: Path, connections: int, *length: str) -> Answers:
    """Ask with so many connections; length is "-z", "10s" or "-n", "1000"."""
    command = ["hey", *length, "-c", str(connections), "-m", "POST", "-T", "image/jpeg", "-D", str(body),
               "-t", "60", "-o", "csv", f"{server.url}/v1/predict"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    if not rows:
        sys.exit(f"hey had no answer at all: {done.stderr[-500:]}")
    status = np.array([int(row["status-code"]) for row in rows])
    seconds = np.array([float(row["response-time"]) for row in rows])
    ends = np.array([float(row["offset"]) for row in rows]) + seconds
    return Answers(status, seconds, float(ends.max()))


def bare(model: str, body: Path, seconds: float) -> float:
    """Images a second without a server."""
    command = [sys.executable, "-c", BARE, model, str(body), str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def poisson(server: Serving, content: bytes, rate: float, seconds: float) -> Answers:
    """An open loop: requests at random moments, over idle connections that are kept, or new ones."""
    rng, idle, loop = np.random.default_rng(0), list[Any](), asyncio.get_running_loop()
    head = (f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
            f"Content-Length: {len(content)}\r\n\r\n").encode()  # fmt: skip

    async def ask(planned: float) -> tuple[int, float]:
        line = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", server.port)
        line[1].write(head + content)
        reply_head = (await line[0].readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        await line[0].readexactly(int(reply_head.split("content-length: ")[1].split("\r\n")[0]))
        idle.append(line)
        return int(reply_head.split()[1]), loop.time() - planned  # a late start counts as waiting

    start, moment, tasks = loop.time(), 0.0, []
    while (moment := moment + rng.exponential(1 / rate)) < seconds:
        await asyncio.sleep(max(0.0, start + moment - loop.time()))
        tasks.append(asyncio.create_task(ask(start + moment)))
    replies = await asyncio.gather(*tasks)
    for _, writer in idle:
        writer.close()
    status, times = zip(*replies, strict=True)
    return Answers(np.array(status), np.array(times), loop.time() - start)


def loaded(model: str, folder: Path, side: int, seconds: float) -> dict[str, Any]:
    """All but memory and the end, of one model."""
    body = folder / "a.jpg"
    body.write_bytes(jpeg(side))
    span = ("-z", f"{seconds:g}s")
    before = bare(model, body, seconds)
    with serving(folder, [model], "--threads", "1") as server:
        hey(server, body, PEAK, "-n", str(4 * PEAK))
        peaks, overs, spent = list[Answers](), list[Answers](), np.zeros(2)
        for _ in range(PARTS):
            before_it = np.array(server.seconds())
            peaks.append(hey(server, body, PEAK, "-z", f"{max(1, seconds / PARTS):g}s"))
            spent += np.array(server.seconds()) - before_it
            overs.append(hey(server, body, MOST, "-z", f"{max(1, 2 * seconds / PARTS):g}s"))
        peak, much = Answers.of(peaks), Answers.of(overs)
        each = 1000 * spent / len(peak.status)
        left = float(np.median([b.rate / a.rate for a, b in zip(peaks, overs, strict=True)]))
        tried = {
            n: hey(server, body, n, "-z", f"{max(1, seconds / 4):g}s").rate for n in (1, 2, 3, 4, 6, 8, 12)
        }
        few = min(tried, key=lambda n: abs(tried[n] - LOAD * peak.rate))
        part = hey(server, body, few, *span)
        opened = asyncio.run(poisson(server, body.read_bytes(), LOAD * peak.rate, seconds))
        lost = server.metric("sightline_worker_restarts_total")
    plain = (before + bare(model, body, seconds)) / 2
    half, most = part.times(200, 50, 99)
    middle, far = opened.times(200, 50, 99)
    return {
        "bytes of the JPEG": body.stat().st_size,
        "bare, images/s": round(plain, 1), "peak, images/s": round(peak.rate, 1),
        "peak / bare (goal 0.9)": round(peak.rate / plain, 3),
        "processor, ms an image: HTTP, worker": np.round(each, 2).tolist(),
        "at 70 %, closed loop": {
            "connections": few, "share of the peak": round(part.rate / peak.rate, 2),
            "answers": part.counts(),
            "p50, p99, ms": [half, most], "p99 / p50 (goal 2)": round((most or 0) / (half or 1), 2),
        },
        "at 70 %, open loop": {
            "share of the peak": round(opened.rate / peak.rate, 2), "answers": opened.counts(),
            "p50, p99, ms": [middle, far], "p99 / p50": round((far or 0) / (middle or 1), 2),
        },
        "overload": {
            "connections": MOST, "answers": much.counts(),
            "goodput / peak (goal 0.9)": round(left, 3),
            "refused p50, p99, ms (goal 50)": much.times(503, 50, 99),
            "answered p50, p99, ms": much.times(200, 50, 99),
        },
        "workers lost": lost,
    }  # fmt: skip


def memory(model: str, folder: Path, side: int, requests: int) -> dict[str, Any]:
    """Resident memory after each tenth of the requests."""
    body = folder / "a.jpg"
    body.write_bytes(jpeg(side))
    counts: dict[str, int] = {}
    with serving(folder, [model], "--threads", "1") as server:
        held, start = [], time.monotonic()
        for _ in range(10):
            for status, n in hey(server, body, 20, "-n", str(requests // 10)).counts().items():
                counts[status] = counts.get(status, 0) + n
            held.append(server.memory())
        seconds = time.monotonic() - start
    return {
        "requests": requests, "answers": counts, "seconds": round(seconds, 1),
        "MiB after each tenth": [round(v / 2**20, 2) for v in held],
        "last / first tenth (goal 1.01)": round(held[-1] / held[0], 4),
        "most / first tenth": round(max(held) / held[0], 4),
    }  # fmt: skip


class Ending:
    """Clients that ask until the server ends. Half keep their connections; half open one for each request."""

    def __init__(self, port: int, content: bytes) -> None:
        self.port, self.content = port, content
        self.statuses: list[int] = []
        self.lost: list[str] = []
        self.ended = threading.Event()

    def ask(self, is_kept: bool) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while True:
            try:
                if line.sock is None:
                    line.connect()
            except OSError:
                return  # it takes no new connection: nothing was accepted
            try:
                line.request("POST", "/v1/predict", self.content, {"Content-Type": "image/jpeg"})
                reply = line.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{'kept' if is_kept else 'new'}: {type(error).__name__}")
                return
            self.statuses.append(reply.status)
            last = reply.headers.get("connection") == "close"
            if not is_kept or last:
                line.close()
            if is_kept and last:
                return


def ended(model: str, folder: Path, side: int, seconds: float) -> dict[str, Any]:
    """SIGTERM in the middle of load."""
    with serving(folder, [model], "--threads", "1") as server:
        asking = Ending(server.port, jpeg(side))
        with ThreadPoolExecutor(CLIENTS) as clients:
            done = [clients.submit(asking.ask, i % 2 == 0) for i in range(CLIENTS)]
            time.sleep(seconds)
            before, start = len(asking.statuses), time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(120)
            took = time.monotonic() - start
            for task in done:
                task.result()
    kinds, numbers = np.unique(asking.statuses, return_counts=True)
    return {
        "answers": {str(k): int(n) for k, n in zip(kinds, numbers, strict=True)},
        "of them after the signal": len(asking.statuses) - before,
        "sent and not answered (goal 0)": len(asking.lost), "which": sorted(set(asking.lost)),
        "exit code": code, "seconds to the end": round(took, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="an exported file; default: three are made")
    parser.add_argument("--side", type=int, default=96, help="pixels of the JPEG (default 96)")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--requests", type=int, default=100_000, help="of the test of memory")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey makes the load: apt-get install hey")
    if args.requests < 1000:
        parser.error("--requests must be at least 1000")
    from _common import report

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.model:
            models = {args.model.stem: str(args.model)}
        else:
            models = {name: str(trained(folder, data, name, size)) for name, (data, size) in MODELS.items()}
        document: dict[str, Any] = {}
        for name, file in models.items():
            document[name] = loaded(file, folder, args.side, args.seconds)
            print(name, document[name], file=sys.stderr, flush=True)
        first, last = next(iter(models.values())), list(models.values())[-1]
        document["memory"] = memory(first, folder, args.side, args.requests)
        document["SIGTERM"] = ended(last, folder, args.side, min(3, args.seconds))
    report("server", document, args.json)


if __name__ == "__main__":
    main()
