"""Comparison of runs on the same test images, with paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Metric, MetricCollection, Statistics
from sightline.core.report import Score, Table
from sightline.core.run import Run
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.errors import UsageError
from sightline.metrics import intervals
from sightline.metrics.compare import Paired, holm, paired, paired_in_blocks
from sightline.metrics.functional.weighted import Blocks, Weighted
from sightline.tasks import task_from

LEVEL = 0.05
"""Greatest p at which the data allow to say which run is better."""


@dataclass(frozen=True)
class Line:
    """Comparison of two runs in one metric.

    Attributes:
        card: The metric.
        a: Score of the first run.
        b: Score of the other.
        test: Their difference (first minus other) and its test; with more than two runs, p is
            corrected for the number of comparisons.
    """

    card: MetricCard
    a: Score
    b: Score
    test: Paired

    @property
    def better(self) -> str:
        """The better run, as far as the data allow a conclusion: "first", "other" or ""."""
        d = self.test.difference.value
        if not self.test.p <= LEVEL or d == 0:
            return ""
        return "first" if (d > 0) == self.card.higher_is_better else "other"


@dataclass(frozen=True)
class Pair:
    """Comparison of two runs on their common test images.

    Attributes:
        first: Name of the first run.
        other: Name of the other.
        n: Images in common.
        alone: Test images that only the first, and only the other, has; not compared.
        lines: Metric name to what was found, the main one first.
    """

    first: str
    other: str
    n: int
    alone: tuple[int, int]
    lines: Mapping[str, Line]

    def sentence(self) -> str:
        """Conclusion from the main metric."""
        name, line = next(iter(self.lines.items()))
        winner = {"first": self.first, "other": self.other}.get(line.better)
        of = f"difference in {name} {_number(line.test.difference, line.card)}, p {_p(line.test.p)}"
        if winner is None:
            return f"{self.first} and {self.other}: the data do not allow to say which is better ({of})."
        return f"{winner} is better than {({self.first, self.other} - {winner}).pop()} ({of})."


@dataclass(frozen=True)
class Comparison:
    """Result of comparing runs.

    Attributes:
        task: Name of the task.
        pairs: The first run against each other one.
        messages: What else there is to know.
        tables: What else was compared.
    """

    task: str
    pairs: tuple[Pair, ...]
    messages: tuple[str, ...]
    tables: tuple[Table, ...] = ()

    def summary(self) -> str:
        """One sentence for each pair, then the notes."""
        return "\n".join([*(pair.sentence() for pair in self.pairs), *self.messages])

    def figures(self) -> list[Table]:
        """One table for each pair, and what else was compared."""
        return [*(_table(pair) for pair in self.pairs), *self.tables]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain dicts and lists."""
        pairs = []
        for pair in self.pairs:
            names = {"first": pair.first, "other": pair.other}
            metrics = {
                name: {
                    "first": asdict(line.a),
                    "other": asdict(line.b),
                    **asdict(line.test),
                    "better": names.get(line.better),
                }
                for name, line in pair.lines.items()
            }
            pairs.append({**names, "n": pair.n, "alone": list(pair.alone), "metrics": metrics})
        tables = [{"title": t.title, "columns": t.columns, "rows": t.rows} for t in self.tables]
        texts = {"messages": list(self.messages), "summary": self.summary()}
        return {"task": self.task, "pairs": pairs, **texts, "tables": tables}


def compare_runs(runs: Sequence[Path]) -> Comparison:
    """Compare the first run with each of the others, on their common test images.

    Raises:
        UsageError: If there are fewer than two runs, one twice, or runs that cannot be compared.
        DataError: If a folder is no run, or has no test predictions.
    """
    paths = [Path(p).resolve() for p in runs]
    if len(paths) < 2:
        raise UsageError(f"A comparison needs two or more runs. Received {len(paths)}.")
    if len(set(paths)) < len(paths):
        raise UsageError("A run is named twice. Name each run once.")
    opened_runs = [Run.open(p) for p in paths]
    names = [p.name for p in paths] if len({p.name for p in paths}) == len(paths) else [str(p) for p in paths]
    for other, name in zip(opened_runs[1:], names[1:], strict=True):
        _same_question(opened_runs[0], other, names[0], name)
    task = task_from(opened_runs[0].record.card)
    pairs = [
        _pair(task, opened_runs[0], f, names[0], n) for f, n in zip(opened_runs[1:], names[1:], strict=True)
    ]
    return comparison(task, pairs, _notes(opened_runs, pairs))


def comparison(task: Task, pairs: list[Pair], messages: list[str]) -> Comparison:
    """Pairs with p values that are corrected for their number."""
    if len(pairs) > 1:
        messages = [*messages, "p is corrected for the number of runs compared with the first (Holm)."]
    return Comparison(task.card.name, tuple(_corrected(pairs)), tuple(messages))


def _same_question(first: Run, other: Run, a: str, b: str) -> None:
    """Refuse runs that were asked different things."""
    tasks = [r.record.model_config.task for r in (first, other)]
    if tasks[0] != tasks[1]:
        raise UsageError(f"{a} is a run of {tasks[0]} and {b} of {tasks[1]}: they cannot be compared.")
    for what, x, y in (
        ("classes", first.classes, other.classes),
        ("outputs", *(r.record.data.outputs for r in (first, other))),
    ):
        if x != y:
            odd = ", ".join(sorted(set(x) ^ set(y))) or "their order"
            raise UsageError(f"{a} and {b} have different {what} ({odd}), so their scores do not compare.")


def _pair(task: Task, first: Run, other: Run, a: str, b: str) -> Pair:
    """Both runs on the test images that they have in common, matched by id."""
    ids_a, said_a, truth_a = first.predictions("test")
    ids_b, said_b, truth_b = other.predictions("test")
    where_b = {name: i for i, name in enumerate(ids_b)}
    common = [(i, where_b[name]) for i, name in enumerate(ids_a) if name in where_b]
    if not common:
        raise UsageError(
            f"{a} and {b} have no test image in common ({len(ids_a)} and {len(ids_b)} images). "
            f"Train one with the split of the other: --splits {first.path}."
        )
    in_a, in_b = (torch.tensor(i) for i in zip(*common, strict=True))
    target, same = truth_a[in_a], truth_b[in_b]
    differ = sum(x != y for x, y in zip(target.digests(), same.digests(), strict=True))
    if differ:
        raise UsageError(
            f"{a} and {b} do not agree on the target of {differ} of {len(common)} test images of the same "
            "name: these are different data, or labels were changed. Train both on the same."
        )
    groups_by_id = first.groups("test")
    groups = None if groups_by_id is None else np.array([groups_by_id[ids_a[i]] for i, _ in common])
    return compared(
        task, (a, b), (said_a[in_a], said_b[in_b]), target, groups,
        (len(ids_a) - len(common), len(ids_b) - len(common)),
    )  # fmt: skip


def compared(
    task: Task,
    names: tuple[str, str],
    predictions: tuple[Any, Any],
    target: Targets,
    groups: np.ndarray | None,
    alone: tuple[int, int] = (0, 0),
) -> Pair:
    """Two predictions of the same items, by each metric of a task; a single film is cut into blocks of
    frames.
    """
    first, other = MetricCollection(task.metrics()), MetricCollection(task.metrics())
    first.update(predictions[0], target, groups)
    other.update(predictions[1], target, groups)
    films = [Evaluation(prediction, target) for prediction in predictions] if len(target) == 1 else []
    lines = {}
    for name, metric in first.items():
        stats, blocks = (metric.stats, other[name].stats), _common_blocks(metric, films)
        lines[name] = _line(metric, *stats, groups) if blocks is None else _film_line(metric, stats, blocks)
    return Pair(*names, len(target), alone, lines)


def _common_blocks(metric: Metric, films: list[Evaluation]) -> tuple[Blocks, Blocks] | None:
    """The same blocks of a single film for both, as long as the one asks for that asks for longer ones; None
    for several films, and where a metric has no blocks.
    """
    if not films or not isinstance(metric, Weighted):
        return None
    lengths = [blocks.length for film in films if (blocks := metric.blocks(film)) is not None]
    first, other = (metric.blocks(film, max(lengths, default=0)) for film in films)
    return None if first is None or other is None else (first, other)


def _film_line(metric: Metric, stats: tuple[Statistics, Statistics], blocks: tuple[Blocks, Blocks]) -> Line:
    """One metric of a single film; without a test where its blocks are too few."""
    assert isinstance(metric, Weighted)
    a, b = (intervals.score_in_blocks(metric, *pair) for pair in zip(blocks, stats, strict=True))
    if blocks[0].stats is not None:
        return Line(metric.card, a, b, paired_in_blocks(metric, blocks))
    method = f"none: {blocks[0].words}"
    return Line(metric.card, a, b, Paired(Score(a.value - b.value, nan, nan, 1, method), nan, method))


def _line(metric: Metric, stats_a: Statistics, stats_b: Statistics, groups: np.ndarray | None) -> Line:
    a, b = (intervals.score(metric, stats, groups=groups) for stats in (stats_a, stats_b))
    return Line(metric.card, a, b, paired(metric, stats_a, stats_b, groups=groups))


def _corrected(pairs: list[Pair]) -> list[Pair]:
    """Correct each metric's p values for the number of comparisons (Holm)."""
    if len(pairs) == 1:
        return pairs
    raised = {name: holm([pair.lines[name].test.p for pair in pairs]) for name in pairs[0].lines}
    return [
        replace(
            pair,
            lines={
                name: replace(line, test=replace(line.test, p=raised[name][i]))
                for name, line in pair.lines.items()
            },
        )
        for i, pair in enumerate(pairs)
    ]


def _notes(runs: list[Run], pairs: list[Pair]) -> list[str]:
    notes = [
        f"{pair.first} and {pair.other} are compared on the {pair.n} test images that both have; "
        f"{pair.alone[0]} of the first and {pair.alone[1]} of the other are left out."
        for pair in pairs
        if any(pair.alone)
    ]
    if len({r.record.data.fingerprint for r in runs}) > 1:
        notes.append(
            "The runs were made with data of different fingerprints: images are matched by name and label."
        )
    return notes


def _table(pair: Pair) -> Table:
    rows = []
    for name, line in pair.lines.items():
        better = {"first": pair.first, "other": pair.other, "": "not decided"}[line.better]
        scores = (line.a.text(line.card.percent), line.b.text(line.card.percent))
        difference = _number(line.test.difference, line.card)
        rows.append([name, *scores, difference, _p(line.test.p), better, line.test.method])
    columns = ["score", pair.first, pair.other, "difference", "p", "better", "test"]
    note = (
        "With 95 % intervals; the difference is the first minus the other. Decide by one score, chosen "
        "beforehand: of 20 scores one will look different by chance."
    )
    return Table(f"{pair.first} and {pair.other} on {pair.n} test images", columns, rows, note)


def _number(score: Score, card: MetricCard) -> str:
    """A difference with its sign and interval, in points where the metric is in per cent."""
    if score.value != score.value:
        return "not defined"
    k, unit, digits = (100, " points", 1) if card.percent else (1, "", 3)
    value, low, high = (f"{k * x:+.{digits}f}" for x in (score.value, score.low, score.high))
    ends = f"{low} to {high}" if score.low == score.low else "no interval"
    return f"{value}{unit} ({ends})"


def _p(p: float) -> str:
    if p != p:
        return "not defined"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
