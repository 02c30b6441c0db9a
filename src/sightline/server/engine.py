"""Engine: one model behind a queue and worker processes; a lost worker is replaced, and its jobs are
answered.

A worker gets a second batch while it is busy with the first. Otherwise it would wait between two batches
until the event loop, which serves hundreds of clients under load, gets to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sightline.errors import DataError, SightlineError
from sightline.runtime.onnx_file import UNCHECKED
from sightline.server.batching import Queue, QueueFull, Waiting
from sightline.server.jobs import Job, JobResult, WorkerConfig, WorkerReady
from sightline.server.limits import Limits
from sightline.server.logs import log
from sightline.server.metrics import Metrics
from sightline.server.process import Process, WorkerLost
from sightline.server.request_error import RequestError

START = 300.0
"""Seconds a worker may take to load its model and predict once."""

_AHEAD = 2  # batches that a worker has: one under way, and one that it finds when it is through with it
_TRIES = 3  # of the first start
_PAUSE = (0.1, 5.0)  # seconds before a worker is tried again, doubled each time up to the second

_LOST = {
    "crashed": JobResult(
        status=500,
        reason="worker-crashed",
        message="The process that held this image ended; it is replaced. Try again; if it happens again, "
        "it is the image.",
    ),
    "timeout": JobResult(
        status=504,
        reason="too-slow",
        message="Prediction took longer than --timeout; its process was ended and is replaced.",
    ),
}
_WAITED = JobResult(
    status=503, reason="overloaded", message="The image waited longer than --timeout. Try again later."
)
_STOPPED = JobResult(status=503, reason="stopping", message="The server is stopping.")


@dataclass(eq=False)
class _Worker:
    """A process that is ready to predict, and its batches in order."""

    process: Process
    given: deque[list[Waiting]] = field(default_factory=deque)
    began: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def clock(self, limit: float) -> None:
        """Start the timeout of the first batch, if there is one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.given:
            loop = asyncio.get_running_loop()
            self.began = loop.time()
            self.timer = loop.call_later(limit, self.process.overdue, limit)


class Engine:
    """Prediction with one model in worker processes.

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
        spec: WorkerConfig,
        limits: Limits,
        metrics: Metrics,
        failed: Callable[[SightlineError], None],
    ) -> None:
        self.name, self.limits, self.metrics = name, limits, metrics
        self.spec = replace(spec, batch=limits.batch, max_pixels=limits.max_pixels)
        self.queue = Queue(limits.queue, limits.batch, limits.wait)
        self.ready: WorkerReady | None = None
        self._failed = failed
        self._able: set[_Worker] = set()
        self._all: set[Process] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._alarm: asyncio.TimerHandle | None = None
        metrics.gauge("sightline_queue_length", lambda: len(self.queue), model=name)
        metrics.gauge("sightline_workers_ready", lambda: len(self._able), model=name)

    @property
    def able(self) -> bool:
        """Whether a worker is ready."""
        return bool(self._able)

    def start(self) -> None:
        """Start the workers; `able` says when they are ready."""
        self._tasks = [asyncio.create_task(self._keep()) for _ in range(self.limits.workers)]

    async def stop(self) -> None:
        """Stop the workers, and answer waiting jobs with an error."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()
        while batch := self.queue.take():
            _settle(batch, [_STOPPED] * len(batch))
        self.kill()

    def kill(self) -> None:
        """Kill the workers; needs no event loop."""
        for process in list(self._all):
            process.kill()
            process.reap()
            self._all.discard(process)

    async def predict(self, jobs: Sequence[Job]) -> list[JobResult]:
        """Predict: an answer for each job, in order. Every job gets one, whatever happens to the workers.

        Raises:
            RequestError: With 503 if the model is not ready yet, or the queue has no room.
        """
        if self.ready is None:
            raise starting(self.name)
        try:
            waiting = self.queue.put(jobs)
        except QueueFull:
            raise overloaded() from None
        self._hand_out()
        futures = [job.answer for job in waiting]
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
        """Supervise one worker: start it, and restart it when it is lost."""
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
                before, self.ready = self.ready, await process.started(START)
                if before is None:
                    _log_card(self.name, self.ready.card)
                log("worker-ready", model=self.name, pid=process.pid)
                tries = 0
                await self._serve(process)
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
            except Exception as error:  # else the model would be without a worker for ever, without a word
                tries += 1
                log("failed", logging.ERROR, exc_info=error, model=self.name)
            finally:
                process.kill()
            await asyncio.to_thread(process.reap)
            self._all.discard(process)
            if tries > 1:
                await asyncio.sleep(min(_PAUSE[0] * 2**tries, _PAUSE[1]))

    async def _serve(self, process: Process) -> None:
        """Read answers of a worker until it is lost; jobs that it has not started return to the queue."""
        worker = _Worker(process)
        self._able.add(worker)
        self._hand_out()
        try:
            while True:
                answers = await process.answers()
                batch = worker.given.popleft()
                seconds = asyncio.get_running_loop().time() - worker.began
                worker.clock(self.limits.timeout)
                self._hand_out()  # before anything else: it may have nothing to do
                self.metrics.observe("sightline_predict_seconds", seconds, model=self.name)
                self.metrics.observe("sightline_batch_size", len(batch), model=self.name)
                _settle(batch, answers)
        except WorkerLost as lost:
            if worker.given:
                batch = worker.given.popleft()
                _settle(batch, [_LOST[lost.reason]] * len(batch))
            raise
        finally:
            self._able.discard(worker)
            self._take_back(worker)

    def _take_back(self, worker: _Worker) -> None:
        """Return the jobs that a lost worker had not started."""
        left = [job for batch in worker.given for job in batch]
        worker.given.clear()
        worker.clock(0)
        oldest = asyncio.get_running_loop().time() - self.limits.timeout
        self.queue.put_back([job for job in left if job.since > oldest])
        for job in left:
            if job.since <= oldest:  # nobody would withdraw it any more
                job.settle(_WAITED)
        self._hand_out()

    def _hand_out(self) -> None:
        """Dispatch all batches that are due. An idle worker takes a batch that has waited long enough. A
        busy worker takes only a full batch, which gains nothing by waiting. Among busy workers, the one
        that became busy last is chosen, so that no batch waits behind a slow image.
        """
        while worker := min(self._able, key=lambda job: (len(job.given), -job.began), default=None):
            due = self.queue.due()
            if due is None or len(worker.given) >= _AHEAD:
                return
            if worker.given and len(self.queue) < self.limits.batch:
                return
            if due > 0:
                if self._alarm is None:
                    self._alarm = asyncio.get_running_loop().call_later(due, self._rung)
                return
            worker.given.append(self.queue.take())
            worker.process.give([job.job for job in worker.given[-1]])
            if len(worker.given) == 1:
                worker.clock(self.limits.timeout)

    def _rung(self) -> None:
        self._alarm = None
        self._hand_out()


def _log_card(model: str, card: Mapping[str, Any]) -> None:
    """Log what a user must know of an exported file."""
    if "unchecked" in card:
        log("model-unchecked", logging.WARNING, model=model, message=UNCHECKED)
    if "takes" in card:
        log("model-takes", model=model, message=str(card["takes"]))


def starting(name: str) -> RequestError:
    """Refusal (503) by a model that is not ready yet."""
    return RequestError(503, "starting", f"The model '{name}' is being loaded. Try again in a moment.")


def overloaded() -> RequestError:
    """Refusal (503) by a server whose queue is full."""
    return RequestError(
        503, "overloaded", "The queue is full. Try again later, or give the server more workers."
    )


def _settle(batch: Sequence[Waiting], answers: Sequence[JobResult]) -> None:
    for job, answer in zip(batch, answers, strict=True):
        job.settle(answer)
