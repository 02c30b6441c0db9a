"""docs/extend.md shows code that is in the proofs, and counts their files and lines rightly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```python no-run (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\| `\w+` \|.*$", PAGE, re.M)
]
PLUGINS = ("tasks", "core/targets", "runtime/targets", "data/formats")


assert SHOWN, "docs/extend.md shows no code of the proofs"


def code(proof: str) -> list[Path]:
    return [p for p in (HERE / proof).rglob("*.py") if p.parent != HERE / proof]


@pytest.mark.parametrize(("file", "text"), SHOWN, ids=[file for file, _ in SHOWN])
def test_snippets_are_in_the_code(file: str, text: str) -> None:
    assert "".join(text.split()) in "".join((ROOT / file).read_text(encoding="utf-8").split())


def test_every_proof_is_in_the_table() -> None:
    assert sorted(row[0].strip("`") for row in ROWS) == sorted(
        p.parent.name for p in HERE.glob("*/test_*.py")
    )


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_proof_costs_what_the_table_says(row: list[str]) -> None:
    files = code(row[0].strip("`"))
    assert len(files) == int(row[6])
    lines = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in files)
    assert lines == pytest.approx(int(row[7]), abs=15)
    for path in files:
        below = path.relative_to(HERE / row[0].strip("`")).as_posix()
        assert below.startswith(PLUGINS), f"{below} is no plug-in of a kind that the page speaks of"


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_proof_is_one_task_folder_and_at_most_two_files_of_a_kind(row: list[str]) -> None:
    home = HERE / row[0].strip("`")
    assert len([p for p in (home / "tasks").iterdir() if (p / "__init__.py").is_file()]) == 1
    assert len([p for p in code(home.name) if p.parent.name == "targets"]) in (0, 2)
