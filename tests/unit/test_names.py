"""Names inside functions are nouns of the field, not words that could mean anything."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import sightline

ROOT = Path(sightline.__file__).parent
REPOSITORY = Path(__file__).parents[2]
WORDS = tomllib.loads((REPOSITORY / "docs/glossary.toml").read_text(encoding="utf-8"))
DENIED = set(WORDS["denied"])
"""Each stood for a dozen things; docs/glossary.toml says what to write instead."""
QUOTED: dict[str, tuple[str, ...]] = {
    "src/sightline/data/parsing/box_columns.py": ('"picture"',),
    "src/sightline/data/parsing/class_folders.py": ('"pictures"', "|picture|"),
    "src/sightline/data/parsing/columns.py": ('"picture"',),
    "src/sightline/data/parsing/csv.py": ('"picture"',),
    "src/sightline/data/parsing/map_discovery.py": ('"pictures"',),
    "src/sightline/data/parsing/voc_discovery.py": ('"pictures"',),
    "tests/unit/data/test_box_bad_input.py": ('{"picture": "a.png"',),
    "tests/unit/test_names.py": (
        '"picture"',
        '"pictures"',
        "|picture|",
        '{"picture": ',
        "--inside picture",
        "_picture.py",
    ),
    "docs/decisions/008-where-an-exported-file-ends.md": ("--inside picture", "exporters/_picture.py"),
}
"""Columns and folders of users' data, and an option of before, by the file that names them."""


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_no_local_has_a_name_that_could_mean_anything(file: Path) -> None:
    bound: set[str] = set()
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    bound.add(node.id)
                elif isinstance(node, ast.arg):
                    bound.add(node.arg)
    assert not bound & DENIED, f"{file.name} calls a local {sorted(bound & DENIED)}"


@pytest.mark.parametrize("term", WORDS["term"], ids=lambda t: str(t["term"]))
def test_glossary_names_places_that_exist(term: dict[str, Any]) -> None:
    assert term["meaning"].endswith(".")
    assert term["where"]
    for place in term["where"]:
        assert (ROOT / place).exists(), f"the glossary says that '{term['term']}' lives in {place}"


def test_words_that_are_no_names_have_a_replacement() -> None:
    assert all(WORDS["denied"].values())


@pytest.mark.parametrize("folder", ["src", "tests", "docs", "benchmarks", "examples"])
def test_what_a_model_sees_is_an_image(folder: str) -> None:
    """One word for it, in names, messages and docs. Names in users' data are as users write them."""
    word = re.compile("pict" + "ure", re.IGNORECASE)
    found = []
    for file in sorted((REPOSITORY / folder).rglob("*")):
        name = file.relative_to(REPOSITORY).as_posix()
        if word.search(file.name):
            found.append(name)
        if file.suffix not in (".py", ".md", ".toml", ".j2", ".css", ".js"):
            continue
        text = file.read_text(encoding="utf-8")
        for allowed in QUOTED.get(name, ()):
            text = text.replace(allowed, "")
        found += [f"{name}: {line.strip()}" for line in text.splitlines() if word.search(line)]
    assert not found, "write 'image' in " + "\n".join(found)
