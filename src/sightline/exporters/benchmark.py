"""Benchmark: accuracy and speed of a run and of every exported file, measured on the same files."""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import torch

from sightline import storage
from sightline.console import say, track
from sightline.core.report import Figure, Scatter, Score, Table
from sightline.core.run import Run
from sightline.errors import SightlineError
from sightline.evaluation.run_data import load_run_dataset
from sightline.exporters.export_run import files_of
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Array, Graph, Runner, with_fixed_sides
from sightline.exporters.validation import gate
from sightline.inference.model_folder import restore
from sightline.report import page
from sightline.report.page import Page, Section

WARM = 5
"""Answers that are not timed: the first ones lay out memory."""
MIN_TIMINGS = 20
"""Answers that are timed at least, however long they take."""
ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
"""Where Linux counts what the processor uses, in millionths of a joule; often for root only."""


@dataclass(frozen=True)
class Line:
    """Result of one file.

    Attributes:
        name: Of the file; "network" is PyTorch as trained.
        score: Main score on the validation images.
        p50: Median seconds of one answer.
        p95: Seconds that 19 of 20 answers take at most.
        rate: Images a second.
        memory: MiB that it adds to a process that has Sightline in it: runtime, weights and maps.
        size: MiB on disk.
        joules: For 1,000 images, where the machine tells; of the whole processor.
        best: Whether no other file is both quicker and at least as accurate.
    """

    name: str
    score: Score
    p50: float
    p95: float
    rate: float
    memory: float
    size: float
    joules: float | None
    best: bool = False


@dataclass(frozen=True)
class Benchmarked:
    """Results of all files of a run.

    Attributes:
        metric: Name of the main score.
        higher: Whether more of it is better.
        n: Validation images.
        batch: Batch size.
        threads: Of the processor.
        lines: The files, the network first.
    """

    metric: str
    higher: bool
    n: int
    batch: int
    threads: int
    lines: list[Line]

    def to_json(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self)

    def figures(self) -> list[Figure]:
        """One table and one plot; the Pareto front of accuracy and speed is marked."""
        columns = ["file", self.metric, "p50", "p95", "images/s", "memory", "size", "J / 1,000", "best trade"]
        rows = [
            [
                line.name, line.score.text(), f"{1000 * line.p50:.2f} ms", f"{1000 * line.p95:.2f} ms",
                f"{line.rate:.1f}", f"{line.memory:.0f} MiB", f"{line.size:.1f} MiB",
                "-" if line.joules is None else f"{line.joules:.0f}", "yes" if line.best else "",
            ]
            for line in self.lines
        ]  # fmt: skip
        images = "image" if self.batch == 1 else "images"
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        note = (
            f"{self.metric} on {self.n} validation images. Time of the file alone, {self.batch} {images} an "
            f"answer, {threads}, no decoding of images. Best trade: no other file is both quicker and at "
            "least as accurate. -: this machine does not tell."
        )
        trade = Scatter(
            "What a better score costs",
            f"ms (p50) for {self.batch} {images}",
            self.metric,
            [(1000 * line.p50, line.score.value) for line in self.lines],
            note=f"Best trades are joined. Better is {'up' if self.higher else 'down'} and to the left.",
            names=[line.name for line in self.lines],
            joined=[i for i, line in enumerate(self.lines) if line.best],
        )
        return [Table("Accuracy and speed", columns, rows, note), trade]


def benchmark_run(
    opened_run: Run, data: str | None, batch_size: int, threads: int, seconds: float
) -> Benchmarked:
    """Score and time the network of a run and every file that was exported from it.

    Args:
        opened_run: The run; the result is written into it.
        data: Where its data lie now, or None: where they were, or beside the run.
        batch_size: Batch size.
        threads: Of the processor.
        seconds: Seconds of timing for each file.

    Raises:
        DataError: If the data cannot be had.
        SightlineError: If a runtime crashed on a file.
    """
    model, task, _ = restore(opened_run.path)
    fixed = with_fixed_sides(model.eval())
    graph = Graph(fixed)
    dataset = load_run_dataset(opened_run, data)
    part = dataset.subset(dataset.indices_of("val"))
    files = _files(opened_run.path / "export")
    if not files:
        path = opened_run.path
        say(f"Nothing was exported from {path} yet (sightline export {path}): the network alone.")
    lines, metric = [], task.metrics()[task.card.primary_metric].card
    for file in track([None, *files], "benchmark"):
        answers = _runner(opened_run.path, file)
        include: Any = "postprocess" if file is None else _document(file).get("include", "postprocess")
        resize = model.settings["resize"] if file is None else _document(file).get("resize")
        same = model if resize == model.settings["resize"] else fixed
        judged = gate(Graph(same, include), _given(answers), part, task, math.inf, exact=False)
        shape = (batch_size, *graph.spec.shape)
        place, dtype = None if file is None else str(file), graph.spec.dtype
        how = (str(opened_run.path), place, shape, include, threads, seconds, dtype)
        times, memory, joules = _timed_in_process(how)
        lines.append(_line(file, opened_run.path, judged.after, times, batch_size, memory, joules))
    lines = _marked(lines, metric.higher_is_better)
    result = Benchmarked(metric.name, metric.higher_is_better, len(part), batch_size, threads, lines)
    storage.write_json(opened_run.path / "benchmark.json", result.to_json())
    _write_page(result, opened_run.path)
    return result


def _write_page(result: Benchmarked, run: Path) -> None:
    """Write the table and the plot as RUN/benchmark.html."""
    facts = [(line.name, f"{1000 * line.p50:.2f} ms") for line in result.lines if line.best]
    section = Section("Accuracy and speed", figures=result.figures())
    lead = f"What was exported from {run.name}, on its validation images."
    file = run / "benchmark.html"
    page.write(Page(f"{run.name}: exported files", lead, facts, [], [section]), _no_image, file)
    say(f"{file}: the table, and what a better score costs")


def _no_image(item: str) -> Any:
    raise KeyError(item)


def _timed_in_process(how: tuple[Any, ...]) -> tuple[list[float], float, float | None]:
    """Run `_timed` in a child process."""
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(_timed, *how).result()
    except BrokenProcessPool as error:
        raise SightlineError(
            f"The process that ran {how[1] or 'the network'} ended: there was too little memory, its runtime "
            "crashed on the file, or a script calls benchmark without `if __name__ == '__main__'`."
        ) from error


def _files(folder: Path) -> list[Path]:
    """Exported files that passed validation."""
    endings = {EXPORTERS.load(name).CARD.ending for name in EXPORTERS.names()}
    return sorted(f for f in folder.glob("*") if f.suffix in endings)


def _given(answers: Runner) -> Callable[[Sequence[str]], Runner]:
    """Opens what is open already."""
    return lambda taps: answers


def _document(file: Path) -> dict[str, Any]:
    record = Path(f"{file}.json")
    document: dict[str, Any] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return document


def _runner(run: Path, file: Path | None, threads: int = 0) -> Runner:
    if file is None:
        return _network(run)
    opened: Runner = _exporter(file).runner(file, threads)
    return opened


def _exporter(file: Path) -> ModuleType:
    """The format of a file."""
    return next(m for m in map(EXPORTERS.load, EXPORTERS.names()) if m.CARD.ending == file.suffix)


def _network(run: Path) -> Runner:
    model, _, _ = restore(run)
    graph = Graph(model.eval())

    @torch.no_grad()
    def answer(images: Array) -> dict[str, Array]:
        return {name: value.numpy() for name, value in graph.outputs_of(torch.from_numpy(images)).items()}

    return answer


def _timed(
    run: str,
    file: str | None,
    shape: tuple[int, ...],
    include: str,
    threads: int,
    seconds: float,
    dtype: str = "uint8",
) -> tuple[list[float], float, float | None]:
    """Seconds of each prediction, MiB of added memory, and joules in total; in a child process."""
    torch.set_num_threads(threads)
    if file is not None:
        _exporter(Path(file))  # the imports are not the file's
    before = psutil.Process().memory_info().rss
    answer = _runner(Path(run), None if file is None else Path(file), threads)
    rng = np.random.default_rng(0)
    images: Array = rng.integers(0, 256, shape, dtype=np.uint8)
    if dtype != "uint8":
        images = images.astype(np.float32) / 255
    elif include == "none":
        images = images.astype(np.float32) / 128 - 1
    for _ in range(WARM):
        answer(images)
    times: list[float] = []
    energy, started = _energy(), time.perf_counter()
    while time.perf_counter() - started < seconds or len(times) < MIN_TIMINGS:
        times.append(_seconds(answer, images))
    used = None if energy is None else (_energy() or energy) - energy
    return times, max(0, psutil.Process().memory_info().rss - before) / 2**20, used


def _seconds(answer: Callable[[Array], Any], images: Array) -> float:
    started = time.perf_counter()
    answer(images)
    return time.perf_counter() - started


def _energy() -> float | None:
    """Energy counter of the CPU in joules, or None if the machine has none."""
    try:
        return int(Path(ENERGY).read_text(encoding="utf-8")) / 1e6
    except (OSError, ValueError):
        return None


def _line(
    file: Path | None, run: Path, score: Score, times: list[float], batch: int, memory: float,
    joules: float | None,
) -> Line:  # fmt: skip
    weights = [run / "model" / "model.safetensors"] if file is None else files_of(file)
    size = sum(f.stat().st_size for f in weights) / 2**20
    images = batch * len(times)
    return Line(
        "network" if file is None else file.name,
        score,
        float(np.quantile(times, 0.5)),
        float(np.quantile(times, 0.95)),
        images / sum(times),
        memory,
        size,
        None if joules is None else 1000 * joules / images,
    )


def _marked(lines: list[Line], higher: bool) -> list[Line]:
    """The lines with the Pareto front marked."""
    sign = 1 if higher else -1

    def beaten(a: Line, b: Line) -> bool:
        better, quicker = sign * (b.score.value - a.score.value), a.p50 - b.p50
        return better >= 0 and quicker >= 0 and (better > 0 or quicker > 0)

    return [
        Line(**{**line.__dict__, "best": not any(beaten(line, other) for other in lines)}) for line in lines
    ]
