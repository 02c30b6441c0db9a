"""Terminal output of command results: color on a terminal, plain and uncut in a pipe."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from sightline.core.report import Finding, Results, Score, Table

PIPED = 100_000  # columns where no terminal says how many: nothing is cut
CELL = 200  # columns after which a cell goes on in the next line, there
COLORS = {"error": "bold red", "warning": "yellow", "info": "cyan"}
LISTED = 5  # files named under a finding


def print_result(result: Any) -> None:
    """Print the result of a command.

    Args:
        result: A table, results, findings, a path, text, a number, a list or mapping of such, or an
            object with `summary()` (text) or `exhibits` (a list, or a method that gives one; its
            tables are printed and the rest is left to the report).
    """
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = PIPED
    _show(console, result)


def visible(text: object, *, lines: bool = False) -> str:
    """Escape control and direction characters, so that text cannot steer a terminal.

    Args:
        text: Anything; a file name may hold any character.
        lines: Keep line breaks and tabs.
    """
    allowed = "\n\t" if lines else ""
    plain = "".join(c if c in allowed or not _steers(c) else _code(c) for c in str(text))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def _steers(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in _DIRECTIONS


_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _show(console: Console, result: Any) -> None:
    for kind, show in _KINDS:
        if isinstance(result, kind):
            show(console, result)
            return
    if hasattr(result, "summary") or hasattr(result, "figures"):
        _object(console, result)
    elif is_dataclass(result):
        rows = [(f.name, getattr(result, f.name)) for f in fields(result)]
        _table(console, Table("", ("name", "value"), rows))
    elif isinstance(result, Iterable):
        for item in result:
            _show(console, item)
    elif result is not None:
        _line(console, result)


def _line(console: Console, value: object) -> None:
    console.print(Text(_text(value, lines=True)))


def _mapping(console: Console, result: Mapping[Any, Any]) -> None:
    _table(console, Table("", ("name", "value"), list(result.items())))


def _object(console: Console, result: Any) -> None:
    if hasattr(result, "summary"):
        summary = result.summary() if callable(result.summary) else result.summary
        console.print(Text(visible(summary, lines=True)))
    exhibits = getattr(result, "figures", ())
    for exhibit in exhibits() if callable(exhibits) else exhibits:
        if isinstance(exhibit, Table):
            _table(console, exhibit)


def _results(console: Console, results: Results) -> None:
    """Scores beside the baselines, and the conclusions."""
    console.print(
        Text(visible(f"{results.task} on {results.data}, {results.split}: {results.n} {results.item}s"))
    )
    names = list(results.baselines)
    rows = [
        [metric, score, *(results.baselines[b].get(metric) for b in names)]
        for metric, score in results.scores.items()
    ]
    _table(console, Table("", ["score", results.subject, *names], rows, "With 95 % intervals."))
    for verdict in results.conclusions:
        console.print(Text(visible(verdict)))


def _finding(console: Console, finding: Finding) -> None:
    head = Text(f"{finding.severity}: ", COLORS[finding.severity])
    console.print(head.append(visible(finding.message), "default"))
    names = "; ".join(visible(item) for item in finding.items[:LISTED])
    more = f" and {len(finding.items) - LISTED} more" if len(finding.items) > LISTED else ""
    for line in (visible(finding.fix), names + more, f"({visible(finding.name)})"):
        if line:
            console.print(Text(f"    {line}"))


def _table(console: Console, table: Table) -> None:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    for name, cells in zip(table.columns, columns, strict=True):
        numeric = bool(cells) and all(isinstance(c, int | float) for c in cells)
        most = None if console.is_terminal else CELL
        grid.add_column(
            Text(visible(name)), justify="right" if numeric else "left", overflow="fold", max_width=most
        )
    for row in table.rows:
        grid.add_row(*(Text(_text(cell)) for cell in row))
    if table.title:
        console.print(Text(f"\n{visible(table.title)}", "bold"))
    if table.rows:
        console.print(grid)
    else:
        console.print(Text("nothing to list"))
    if table.note:
        console.print(Text(visible(table.note, lines=True), "dim"))


_KINDS: tuple[tuple[Any, Callable[[Console, Any], None]], ...] = (
    (Table, _table),
    (Results, _results),
    (Finding, _finding),
    (str | Path | Score, _line),
    (Mapping, _mapping),
)


def _text(value: Any, *, lines: bool = False) -> str:
    if value is None:
        return "-"
    if isinstance(value, Score):
        return value.text()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(v) for v in value)
    return visible(value, lines=lines)
