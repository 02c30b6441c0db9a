"""`make test-floors` reads what it installs from pyproject.toml: every dependency says how old it may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lowest(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci/lowest.py"), str(project)], capture_output=True, text=True
    )


def written(folder: Path, dependencies: str) -> Path:
    file = folder / "pyproject.toml"
    extras = '[project.optional-dependencies]\nmore = ["b[c,d]>=2.1"]\nall = ["own[more]"]\n'
    file.write_text(f'[project]\nname = "own"\ndependencies = [{dependencies}]\n{extras}')
    return file


def test_every_dependency_of_ours_states_one_lowest_version() -> None:
    outputs = lowest(ROOT / "pyproject.toml")
    assert outputs.returncode == 0, outputs.stderr
    assert any(line.startswith("torch==") for line in outputs.stdout.splitlines())
    assert "sightline" not in outputs.stdout


def test_floors_of_the_package_and_its_extras(tmp_path: Path) -> None:
    outputs = lowest(written(tmp_path, '"a>=1.2,!=1.3", "c-c==4"'))
    assert outputs.stdout.split() == ["a==1.2", "c-c==4", "b==2.1"]


def test_none_or_two_of_them_are_an_error(tmp_path: Path) -> None:
    for dependencies, what in (
        ('"a"', "'a' states no lowest"),
        ('"b>=2"', "b has two lowest versions, 2 and 2.1"),
    ):
        outputs = lowest(written(tmp_path, dependencies))
        assert outputs.returncode == 1
        assert what in outputs.stderr
