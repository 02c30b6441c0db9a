"""Dynamic micro-batching: a bounded queue, and the rule for when its jobs form a batch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sightline.server.jobs import Job, JobResult


class QueueFull(Exception):
    """The queue has no room for all of these jobs."""


@dataclass(eq=False)
class Waiting:
    """A job in the queue: its future, and the time since which it waits (seconds of the event loop's
    clock).
    """

    job: Job
    answer: asyncio.Future[JobResult]
    since: float

    def settle(self, answer: JobResult) -> None:
        """Set the answer, unless it is set already."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Queue:
    """First-in, first-out queue. It runs on one event loop.

    Args:
        limit: Jobs that may wait.
        batch: Jobs in a batch, at most.
        wait: Seconds that the first of a batch waits for others.
    """

    def __init__(self, limit: int, batch: int, wait: float) -> None:
        self.limit, self.batch, self.wait = limit, batch, wait
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next job would be refused."""
        return len(self._waiting) >= self.limit

    def put(self, jobs: Sequence[Job]) -> list[Waiting]:
        """Enqueue all of the jobs, or none.

        Raises:
            QueueFull: If there is no room for them. An empty queue takes any number, so that a request of
                more images than the queue holds is served when nothing else waits.
        """
        if self._waiting and len(self._waiting) + len(jobs) > self.limit:
            raise QueueFull
        loop = asyncio.get_running_loop()
        added = [Waiting(job, loop.create_future(), loop.time()) for job in jobs]
        self._waiting.extend(added)
        return added

    def put_back(self, batch: Sequence[Waiting]) -> None:
        """Return jobs that were taken but not started to the front, even if the queue is full."""
        self._waiting.extendleft(reversed(batch))

    def withdraw(self, given: Iterable[Waiting], answer: JobResult) -> None:
        """Answer jobs that still wait; jobs that a worker has are not changed."""
        still = set(self._waiting)
        for job in given:
            if job in still:
                self._waiting.remove(job)
                job.settle(answer)

    def due(self) -> float | None:
        """Seconds until the next batch: 0 if it is full or its first job has waited long enough; None if
        empty.
        """
        if not self._waiting:
            return None
        if len(self._waiting) >= self.batch:
            return 0.0
        now = asyncio.get_running_loop().time()
        return max(0.0, self._waiting[0].since + self.wait - now)

    def take(self) -> list[Waiting]:
        """Remove and return the next batch, due or not."""
        return [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]
