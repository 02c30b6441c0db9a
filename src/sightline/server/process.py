"""A worker process as the server sees it: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sightline.errors import DataError, SightlineError, UsageError
from sightline.server import worker
from sightline.server.jobs import Answer, Failed, Job, Ready, Spec

_ERRORS: dict[int, type[SightlineError]] = {2: UsageError, 3: DataError}


class WorkerLost(Exception):
    """The process is gone or had to be ended; `reason` is "crashed" or "timeout"."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Process:
    """One worker process. Its pipe is read by a thread of its own, so that the event loop never waits.

    Args:
        spec: What it is to load.
    """

    def __init__(self, spec: Spec) -> None:
        context = multiprocessing.get_context("spawn")  # a forked copy of threads and locks is unsound
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=worker.main, args=(far, spec), daemon=True)
        self._process.start()
        far.close()  # else the pipe would not end with the process
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sightline-pipe")

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return self._process.pid

    async def started(self, limit: float) -> Ready:
        """Wait until it can predict.

        Raises:
            SightlineError: If it says that it cannot.
            WorkerLost: If it ends without a word, or takes longer than `limit` seconds.
        """
        said = await self._within(limit, self._pipe.recv)
        if isinstance(said, Failed):
            raise _ERRORS.get(said.exit_code, SightlineError)(said.message)
        assert isinstance(said, Ready)
        return said

    async def ask(self, jobs: Sequence[Job], limit: float) -> list[Answer]:
        """The answers to some jobs.

        Raises:
            WorkerLost: If the process ends, or takes longer than `limit` seconds and is killed for it.
        """

        def exchange() -> Any:
            self._pipe.send(list(jobs))
            return self._pipe.recv()

        answers: list[Answer] = await self._within(limit, exchange)
        return answers

    async def ended(self) -> None:
        """Wait until the process is no more, whatever ended it (POSIX)."""
        gone, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._process.sentinel)

    def kill(self) -> None:
        """End it now. What it was asked is answered by WorkerLost."""
        if self._process.is_alive():
            self._process.kill()
        self._thread.shutdown(wait=False)

    def reap(self) -> None:
        """Wait for its end and give back what it held."""
        self._process.join(5)
        self._thread.shutdown(wait=True)
        self._pipe.close()

    async def _within(self, limit: float, call: Any) -> Any:
        future = asyncio.get_running_loop().run_in_executor(self._thread, call)
        try:
            done, _ = await asyncio.wait({future}, timeout=limit)
        except asyncio.CancelledError:
            self.kill()
            raise
        if not done:
            self.kill()  # which ends the pipe, and with it the call
            await asyncio.wait({future})
            future.exception()
            raise WorkerLost("timeout", f"took longer than {limit:g} s and was ended")
        try:
            return future.result()
        except (EOFError, OSError) as error:
            self._process.join(1)
            raise WorkerLost("crashed", f"ended with code {self._process.exitcode}") from error
