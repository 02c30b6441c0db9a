"""One model behind a queue and worker processes. A lost worker is replaced, and what it held is answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sightline.errors import DataError, SightlineError
from sightline.server.batching import Queue, QueueFull, Waiting
from sightline.server.jobs import Answer, Job, Ready, Spec
from sightline.server.limits import Limits
from sightline.server.logs import log
from sightline.server.metrics import Metrics
from sightline.server.process import Process, WorkerLost
from sightline.server.refusal import Refused

START = 300.0
"""Seconds a worker may take to load its model and predict once."""

_TRIES = 3  # of the first start
_PAUSE = (0.1, 5.0)  # seconds before a worker is tried again, doubled each time up to the second

_LOST = {
    "crashed": Answer(
        status=500,
        reason="worker-crashed",
        message="The process that held this picture ended; it is replaced. Try again; if it happens again, "
        "it is the picture.",
    ),
    "timeout": Answer(
        status=504,
        reason="too-slow",
        message="Prediction took longer than --timeout; its process was ended and is replaced.",
    ),
}
_WAITED = Answer(
    status=503, reason="overloaded", message="The picture waited longer than --timeout. Try again later."
)
_STOPPED = Answer(status=503, reason="stopping", message="The server is stopping.")


class Engine:
    """Predicts with one model.

    Args:
        name: What requests call the model.
        spec: What each worker loads.
        limits: See there.
        metrics: Where it counts.
        failed: Called with the error if the model cannot be started at all.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        limits: Limits,
        metrics: Metrics,
        failed: Callable[[SightlineError], None],
    ) -> None:
        self.name, self.limits, self.metrics = name, limits, metrics
        self.spec = replace(spec, batch=limits.batch, max_pixels=limits.max_pixels)
        self.queue = Queue(limits.queue, limits.batch, limits.wait)
        self.ready: Ready | None = None
        self._failed = failed
        self._able: set[Process] = set()
        self._all: set[Process] = set()
        self._tasks: list[asyncio.Task[None]] = []
        metrics.gauge("sightline_queue_length", lambda: len(self.queue), model=name)
        metrics.gauge("sightline_workers_ready", lambda: len(self._able), model=name)

    @property
    def able(self) -> bool:
        """Whether a worker can predict now."""
        return bool(self._able)

    def start(self) -> None:
        """Start the workers; `able` says when they are ready."""
        self._tasks = [asyncio.create_task(self._keep()) for _ in range(self.limits.workers)]

    async def stop(self) -> None:
        """End the workers; what still waits is told so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while len(self.queue):
            _settle(await self.queue.take(), [_STOPPED] * self.limits.batch)
        self.kill()

    def kill(self) -> None:
        """End the workers whatever they do; needs no event loop."""
        for process in list(self._all):
            process.kill()
            process.reap()
            self._all.discard(process)

    async def predict(self, jobs: Sequence[Job]) -> list[Answer]:
        """An answer for each job, in order. Each comes, whatever happens to the workers.

        Raises:
            Refused: With 503 if the model is not ready yet, or the queue has no room.
        """
        if self.ready is None:
            raise starting(self.name)
        try:
            waiting = self.queue.put(jobs)
        except QueueFull:
            raise overloaded() from None
        futures = [one.answer for one in waiting]
        try:
            _, late = await asyncio.wait(futures, timeout=self.limits.timeout)
            if late:
                self.queue.withdraw(waiting, _WAITED)
                await asyncio.wait(late)
        except asyncio.CancelledError:
            self.queue.withdraw(waiting, _WAITED)
            raise
        answers = [future.result() for future in futures]
        for answer in answers:
            self.metrics.count("sightline_images_total", model=self.name, status=str(answer.status))
        return answers

    async def _keep(self) -> None:
        """Keep one worker alive, for ever."""
        tries = 0
        while True:
            try:
                process = Process(self.spec)
            except OSError as error:  # no memory, no descriptors: they may come back
                tries += 1
                log("worker-lost", logging.ERROR, model=self.name, reason="no-process", detail=str(error))
                await asyncio.sleep(min(_PAUSE[0] * 2**tries, _PAUSE[1]))
                continue
            self._all.add(process)
            try:
                self.ready = await process.started(START)
                log("worker-ready", model=self.name, pid=process.pid)
                tries = 0
                self._able.add(process)
                await self._feed(process)
            except WorkerLost as lost:
                tries += 1
                self.metrics.count("sightline_worker_restarts_total", model=self.name, reason=lost.reason)
                log("worker-lost", logging.ERROR, model=self.name, pid=process.pid, reason=lost.reason,
                    detail=str(lost))  # fmt: skip
                if self.ready is None and tries >= _TRIES:
                    text = f"The model '{self.name}' cannot be started: its process {lost}, {tries} times."
                    self._failed(DataError(text))
                    return
            except SightlineError as error:
                tries += 1
                log("model-failed", logging.ERROR, model=self.name, message=str(error))
                if self.ready is None:
                    self._failed(error)
                    return
            finally:
                self._able.discard(process)
                process.kill()
            await asyncio.to_thread(process.reap)
            self._all.discard(process)
            if tries > 1:
                await asyncio.sleep(min(_PAUSE[0] * 2**tries, _PAUSE[1]))

    async def _next(self, process: Process) -> list[Waiting]:
        """The next batch for the worker.

        Raises:
            WorkerLost: If it ends while it waits; nothing is lost with it.
        """
        take, ended = asyncio.ensure_future(self.queue.take()), asyncio.ensure_future(process.ended())
        try:
            await asyncio.wait({take, ended}, return_when=asyncio.FIRST_COMPLETED)
            if take.done():
                return take.result()
            raise WorkerLost("crashed", "ended while nothing was asked of it")
        finally:
            ended.cancel()
            take.cancel()

    async def _feed(self, process: Process) -> None:
        """Give the worker one batch after another, until it is lost."""
        while True:
            batch = await self._next(process)
            started = time.perf_counter()
            try:
                answers = await process.ask([one.job for one in batch], self.limits.timeout)
            except WorkerLost as lost:
                _settle(batch, [_LOST[lost.reason]] * len(batch))
                raise
            except asyncio.CancelledError:
                _settle(batch, [_STOPPED] * len(batch))
                raise
            self.metrics.observe("sightline_predict_seconds", time.perf_counter() - started, model=self.name)
            self.metrics.observe("sightline_batch_size", len(batch), model=self.name)
            _settle(batch, answers)


def starting(name: str) -> Refused:
    """The refusal of a model that has not predicted yet."""
    return Refused(503, "starting", f"The model '{name}' is being loaded. Try again in a moment.")


def overloaded() -> Refused:
    """The refusal of a server that has as much to do as it may."""
    return Refused(503, "overloaded", "The queue is full. Try again later, or give the server more workers.")


def _settle(batch: Sequence[Waiting], answers: Sequence[Answer]) -> None:
    for one, answer in zip(batch, answers, strict=False):
        if not one.answer.done():
            one.answer.set_result(answer)
