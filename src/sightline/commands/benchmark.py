"""benchmark: accuracy and speed of a run and of every file that was exported from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sightline.config import Range
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.exporters.benchmark import Benchmarked


@command
def benchmark(
    run: Path,
    *,
    data: str | None = None,
    batch_size: Annotated[int, Range(1)] = 1,
    threads: Annotated[int, Range(1)] = 1,
    seconds: Annotated[float, Range(above=True)] = 3.0,
) -> Benchmarked:
    """Measure accuracy and speed of a run and of every file that was exported from it.

    Args:
        run: Run folder.
        data: Current location of the run's data (such as photos/); by default as stored, or beside the run.
        batch_size: Batch size.
        threads: CPU threads.
        seconds: Seconds of timing for each file.
    """
    from sightline.core.run import Run
    from sightline.exporters.benchmark import benchmark_run

    return benchmark_run(Run.open(run), data, batch_size, threads, seconds)
