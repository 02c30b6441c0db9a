"""What a user reads after a command."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sightline.core.report import BarPlot, Figure, Finding, Results, Score, Table
from sightline.report.terminal import print_result

SCORE = Score(0.975, 0.951, 0.989, 360)


def printed(result: Any, capsys: pytest.CaptureFixture[str]) -> str:
    print_result(result)
    return capsys.readouterr().out


def test_scores_come_with_their_interval(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(
        Table("Scores", ["who", "accuracy"], [["network", SCORE], ["other", None]], "A note."), capsys
    )
    assert "0.975 (0.951 to 0.989, n 360)" in out
    assert "Scores" in out
    assert "A note." in out


def test_results_stand_beside_the_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results("classify", "digits", "test", 360, {"accuracy": SCORE},
                      {"majority": {"accuracy": Score(0.1, 0.07, 0.14, 360)}}, ["It is better."])  # fmt: skip
    out = printed(results, capsys)
    assert "network" in out
    assert "majority" in out
    assert "0.100 (0.070 to 0.140, n 360)" in out
    assert "It is better." in out


def test_a_wide_table_is_not_cut_in_a_pipe() -> None:
    code = (
        "from sightline.core.report import Table, Score\n"
        "from sightline.report.terminal import print_result\n"
        "row = [f'column-{i}-' + 'x' * 40 for i in range(20)]\n"
        "print_result(Table('t', row, [row, [Score(.5, .4, .6, 9)] * 20]))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    lines = out.splitlines()
    assert sum("column-19-" + "x" * 40 in line and "column-0-" in line for line in lines) == 2
    assert any(line.count("0.500 (0.400 to 0.600, n 9)") == 20 for line in lines)
    assert "\x1b" not in out
    assert "…" not in out


def test_a_very_long_cell_wraps_and_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(Table("t", ["a", "b"], [["y" * 1000, "end"]]), capsys)
    assert out.count("y") == 1000
    assert max(map(len, out.splitlines())) < 260


def test_color_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    finding = Finding("leak", "error", "Leaks.", "Split again.", 2, ("a = b",))
    for stream, colored in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stdout", stream)
        print_result(finding)
        assert ("\x1b[" in stream.getvalue()) == colored
        assert "Split again." in stream.getvalue()
        assert "(leak)" in stream.getvalue()


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2Jgone\r\n\x07[red]not markup[/red] :smile: \u202egnp.exe \udcff"
    for result in (Table(name, [name], [[name]], name), name, Path(name.replace("\0", "")), {name: name}):
        out = printed(result, capsys)
        assert "\\x1b[2Jgone\\r" in out
        assert "[red]not markup[/red] :smile: \\u202egnp.exe" in out
        assert not set(out) & set("\x1b\r\x07\u202e")


@dataclass
class Outcome:
    """A verb's result."""

    def summary(self) -> str:
        return "Two things:\n  done"

    def figures(self) -> list[Figure]:
        return [BarPlot("b", "x", "y", {"a": 1.0}), Table("t", ["name"], [["inside"]])]


def test_objects_say_their_summary_and_their_tables(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(Outcome(), capsys)
    assert out.startswith("Two things:\n  done\n")
    assert "inside" in out


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ("two\nlines", "two\nlines\n"),
        (Path("runs") / "a", f"{Path('runs') / 'a'}\n"),
        (3, "3\n"),
        (True, "yes\n"),
        (0.123456, "0.1235\n"),
        ([1, "b"], "1\nb\n"),
        (None, ""),
        (SCORE, "0.975 (0.951 to 0.989, n 360)\n"),
    ],
)
def test_plain_results(result: Any, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(result, capsys) == shown


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to list" in printed(Table("t", ["a"], []), capsys)


def test_a_stream_that_knows_no_unicode_gets_escapes() -> None:
    code = (
        "from sightline.core.report import Table\n"
        "from sightline.report.terminal import print_result\n"
        "print_result(Table('t', ['a'], [['犬 é']]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONIOENCODING": "ascii"}
    ).stdout
    assert b"\\u72ac" in out
