"""Dynamic micro-batching: a bounded queue that gives what has come, within a latency budget."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sightline.server.jobs import Answer, Job


class QueueFull(Exception):
    """There is no room for all of these."""


@dataclass(eq=False)
class Waiting:
    """A job in the queue: who waits for it, and since when (seconds of the event loop's clock)."""

    job: Job
    answer: asyncio.Future[Answer]
    since: float


class Queue:
    """First come, first served. All of it runs on one event loop.

    Args:
        limit: Jobs that may wait.
        batch: Jobs in a batch, at most.
        wait: Seconds that the first of a batch waits for others.
    """

    def __init__(self, limit: int, batch: int, wait: float) -> None:
        self.limit, self.batch, self.wait = limit, batch, wait
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next job would be refused."""
        return len(self._waiting) >= self.limit

    def put(self, jobs: Sequence[Job]) -> list[Waiting]:
        """All of the jobs, or none.

        Raises:
            QueueFull: If there is no room for them. An empty queue takes any number, so that a request of
                more pictures than the queue holds is served when nothing else waits.
        """
        if self._waiting and len(self._waiting) + len(jobs) > self.limit:
            raise QueueFull
        loop = asyncio.get_running_loop()
        added = [Waiting(job, loop.create_future(), loop.time()) for job in jobs]
        self._waiting.extend(added)
        self._arrived.set()
        return added

    def withdraw(self, given: Iterable[Waiting], answer: Answer) -> None:
        """Answer those that still wait with this; those that a worker has are left alone."""
        still = set(self._waiting)
        for one in given:
            if one in still:
                self._waiting.remove(one)
                if not one.answer.done():
                    one.answer.set_result(answer)

    async def take(self) -> list[Waiting]:
        """The next batch: as soon as it is full, or its first job has waited as long as it may."""
        clock = asyncio.get_running_loop().time
        async with self._turn:
            while True:
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                left = self._waiting[0].since + self.wait - clock()
                if len(self._waiting) >= self.batch or left <= 0:
                    return [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]
                self._arrived.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._arrived.wait()
