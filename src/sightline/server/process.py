"""Worker process, seen from the server: start it, send jobs, receive answers, end it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sightline.errors import DataError, SightlineError, UsageError
from sightline.server import worker
from sightline.server.jobs import Job, JobFailed, JobResult, WorkerConfig, WorkerReady

_ERRORS: dict[int, type[SightlineError]] = {2: UsageError, 3: DataError}


class WorkerLost(Exception):
    """The worker process has ended or was killed; `reason` is "crashed" or "timeout"."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Process:
    """One worker process. Two threads write and read its pipe, so that the event loop never blocks and the
    worker can receive jobs while it sends answers.

    Args:
        spec: What it is to load.
    """

    def __init__(self, spec: WorkerConfig) -> None:
        context = multiprocessing.get_context("spawn")  # a forked copy of threads and locks is unsound
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=worker.main, args=(far, spec), daemon=True)
        self._process.start()
        far.close()  # else the pipe would not end with the process
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sightline-to-worker")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="sightline-from-worker")
        self._late = ""

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    async def started(self, limit: float) -> WorkerReady:
        """Wait until the worker is ready.

        Raises:
            SightlineError: If the worker reports that it cannot start.
            WorkerLost: If it ends without a message, or takes longer than `limit` seconds.
        """
        timer = asyncio.get_running_loop().call_later(limit, self.overdue, limit)
        try:
            message = await self._received()
        finally:
            timer.cancel()
        if isinstance(message, JobFailed):
            raise _ERRORS.get(message.exit_code, SightlineError)(message.message)
        assert isinstance(message, WorkerReady)
        return message

    def give(self, jobs: Sequence[Job]) -> None:
        """Send jobs to the worker; they are predicted in order."""
        self._writer.submit(self._send, list(jobs))

    async def answers(self) -> list[JobResult]:
        """Wait for the answers to the oldest jobs that are not answered yet.

        Raises:
            WorkerLost: If the process ends.
        """
        answers: list[JobResult] = await self._received()
        return answers

    def overdue(self, limit: float) -> None:
        """Kill the worker because it exceeded the timeout of `limit` seconds."""
        self._late = f"took longer than {limit:g} s and was ended"
        self.kill()

    def kill(self) -> None:
        """Kill the worker. Calls that wait for its answers raise WorkerLost."""
        if self._process.is_alive():
            self._process.kill()
        self._writer.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown(wait=False)

    def reap(self) -> None:
        """Join the worker and release its pipes and threads."""
        self._process.join(5)
        self._writer.shutdown(wait=True)
        self._reader.shutdown(wait=True)
        self._pipe.close()

    def _send(self, jobs: list[Job]) -> None:
        try:
            self._pipe.send(jobs)
        except Exception:  # the reader sees the end, and says so
            self._process.kill()

    async def _received(self) -> Any:
        """Receive the next message."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, self._pipe.recv)
        except (EOFError, OSError) as error:
            if self._late:
                raise WorkerLost("timeout", self._late) from error
            await asyncio.to_thread(self._process.join, 1)
            raise WorkerLost("crashed", f"ended with code {self._process.exitcode}") from error
