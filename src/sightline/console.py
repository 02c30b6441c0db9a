"""Console output during work: messages and progress bars on stderr, by the main process only.

Results are not printed here: commands return them, and the command line prints them on stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_quiet = False


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing inside this block."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def silent() -> bool:
    """Whether nothing is to be said: asked for, or not the first of several processes."""
    return _quiet or bool(os.environ.get("SIGHTLINE_QUIET")) or os.environ.get("RANK", "0") != "0"


def say(text: str) -> None:
    """One line for the user."""
    if not silent():
        print(text, file=sys.stderr, flush=True)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The same items, with a progress bar on a terminal once they have taken two seconds."""
    if silent() or not sys.stderr.isatty():
        yield from items
        return
    started, bar = time.monotonic(), None
    progress: Any = None
    try:
        for n, item in enumerate(items):
            if progress is None and time.monotonic() - started > 2:
                from rich.console import Console
                from rich.progress import Progress

                progress = Progress(console=Console(stderr=True), transient=True)
                bar = progress.add_task(what, total=total, completed=n)
                progress.start()
            yield item
            if progress is not None:
                progress.update(bar, completed=n + 1)
    finally:
        if progress is not None:
            progress.stop()
