"""Damaged images by the ten thousand: does anything crash, hang, or take too much memory?

    python benchmarks/fuzz.py [--images 100000] [--live 5000] [--seed 0] [--model FILE.onnx] [--json FILE]

Valid images of all formats are made here and changed by chance: bits, cuts, splices, numbers in their
headers, chunks in another order. (a) All go through the decoder and the light runtime, in a process that
does what the server's worker does. (b) Some are sent to a running server. (c) Valid images as large as
the server allows, of the kinds that take the most memory or time. A finding is a process that ends, more
than 5 s for an image (of the processor in a and c), more than 1 GiB of memory, or an answer that is neither
a prediction nor a clear refusal. Image number N of a seed is always the same: --only N writes it to a file
and runs it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _exported import Serving, peak, serving, trained
from _mutants import Mutants, largest

SLOW, LARGE = 5.0, 1024.0  # seconds, MiB
PATIENCE = 60.0  # seconds after which a process is taken to hang, whatever it is
CLEAR = frozenset({200, 400, 413, 415, 422})
CLIENTS = 4


@dataclass
class Seen:
    """What came of the images so far."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0
    peak: float = 0.0

    def add(self, name: object, status: int, reason: str, seconds: float) -> None:
        """Count one answer, and note it where it is none that should be."""
        self.counts[f"{status} {reason}".strip()] += 1
        self.slowest = max(self.slowest, seconds)
        if status not in CLEAR:
            self.findings.append(f"{name}: {status} {reason}")
        if seconds > SLOW:
            self.findings.append(f"{name}: {seconds:.1f} s")

    def document(self) -> dict[str, Any]:
        return {
            "answers": dict(self.counts.most_common()), "slowest, s": round(self.slowest, 3),
            "most memory of a process, MiB": round(self.peak, 1), "findings": self.findings[:50],
        }  # fmt: skip


def child(line: Connection, model: str, seed: int) -> None:
    """Answers images by their number, or their bytes, as the server's worker does: status, reason, seconds
    of the processor, and the most memory so far in MiB."""
    from sightline.runtime.session import Session
    from sightline.server.jobs import Job, WorkerConfig
    from sightline.server.limits import Limits
    from sightline.server.worker import PIXELS, answers

    os.environ[PIXELS] = str(Limits.max_pixels)
    session, spec, mutants = Session(model, threads=1), WorkerConfig("", model), Mutants(seed)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what decoders print of damaged images
    line.send(None)
    while True:
        try:
            request = line.recv()
        except EOFError:
            return
        content = mutants[request] if isinstance(request, int) else request
        started = time.process_time()
        (answer,) = answers(session, [Job(content)], spec)
        line.send((answer.status, answer.reason, time.process_time() - started, peak(os.getpid())))


class Worker:
    """A child that is replaced when it is lost."""

    def __init__(self, model: str, seed: int) -> None:
        self._arguments = model, seed
        self._process: Any = None

    def ask(self, image: int | bytes) -> tuple[int, str, float, float]:
        """The answer; status 0 where the process ended or hung."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._line, far = context.Pipe()
            self._process = context.Process(target=child, args=(far, *self._arguments), daemon=True)
            self._process.start()
            far.close()
            self._line.recv()
        started = time.perf_counter()
        try:
            self._line.send(image)
            if self._line.poll(PATIENCE):
                return self._line.recv()  # type: ignore[no-any-return]
            reason = "hung"
        except (EOFError, OSError):
            self._process.join(10)
            reason = f"ended with code {self._process.exitcode}"
        self.end()
        return 0, reason, time.perf_counter() - started, 0.0

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._line.close()
        self._process = None


def decoded(model: str, seed: int, images: int) -> Seen:
    """(a) and the time it took, on stderr."""
    seen_images, worker, started = Seen(), Worker(model, seed), time.monotonic()
    for number in range(images):
        status, reason, seconds, memory = worker.ask(number)
        seen_images.add(number, status, reason, seconds)
        seen_images.peak = max(seen_images.peak, memory)
        if number % 5000 == 4999:
            progress = f"{number + 1} images, {time.monotonic() - started:.0f} s, {seen_images.peak:.0f} MiB"
            print(f"{progress}, {len(seen_images.findings)} findings", file=sys.stderr, flush=True)
    worker.end()
    if seen_images.peak > LARGE:
        seen_images.findings.append(f"a process held {seen_images.peak:.0f} MiB")
    return seen_images


def sent(server: Serving, seed: int, images: int) -> Seen:
    """(b): each of a few clients sends every few images over a connection that it keeps."""
    seen_images, mutants = Seen(), Mutants(seed)

    def client(first: int) -> list[tuple[int, int, str, float]]:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        replies = []
        for number in range(first, images, CLIENTS):
            started = time.perf_counter()
            try:
                line.request("POST", "/v1/predict", mutants[number], {"Content-Type": "image/jpeg"})
                reply = line.getresponse()
                document = json.loads(reply.read())
                status, reason = reply.status, document.get("error", {}).get("reason", "")
            except (OSError, http.client.HTTPException, ValueError) as error:
                line.close()
                status, reason = 0, type(error).__name__
            replies.append((number, status, reason, time.perf_counter() - started))
        return replies

    with ThreadPoolExecutor(CLIENTS) as clients:
        for replies in clients.map(client, range(CLIENTS)):
            for reply_facts in replies:
                seen_images.add(*reply_facts)
    peaks = server.peaks()
    seen_images.peak = max(peaks)
    if seen_images.peak > LARGE:
        seen_images.findings.append(f"a process held {seen_images.peak:.0f} MiB")
    if lost := server.metric("sightline_worker_restarts_total"):
        seen_images.findings.append(f"{lost:g} worker processes were lost")
    return seen_images


def great(model: str) -> tuple[Seen, dict[str, float]]:
    """(c): each in a process of its own, for its memory."""
    seen_images, memory = Seen(), {}
    for name, content in largest():
        worker = Worker(model, 0)
        status, reason, seconds, held = worker.ask(content)
        worker.end()
        seen_images.add(name, status, reason, seconds)
        seen_images.peak, memory[name] = max(seen_images.peak, held), round(held, 1)
        if held > LARGE:
            seen_images.findings.append(f"{name}: {held:.0f} MiB")
    return seen_images, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--live", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", type=int, help="one image by its number: kept as mutant-N")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    from _common import report  # not above: each child would import torch with it

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = str(args.model or trained(folder, "shapes", "cnn-tiny", 32))
        if args.only is not None:
            Path(f"mutant-{args.only}").write_bytes(Mutants(args.seed)[args.only])
            print(Worker(model, args.seed).ask(args.only))
            return
        document: dict[str, Any] = {"seed": args.seed}
        decoded_all = decoded(model, args.seed, args.images)
        document[f"{args.images} in a worker"] = decoded_all.document()
        with serving(folder, [model], "--threads", "1") as server:
            live = sent(server, args.seed, args.live)
        document[f"{args.live} sent to the server"] = live.document()
        large, memory = great(model)
        document["the largest that are allowed"] = {**large.document(), "MiB of each": memory}
        report("fuzz", document, args.json)
        sys.exit(bool(decoded_all.findings or live.findings or large.findings))


if __name__ == "__main__":
    main()
