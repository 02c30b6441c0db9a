"""Names inside functions are nouns of the field, not words that could mean anything."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

import sightline

ROOT = Path(sightline.__file__).parent
WORDS = tomllib.loads((Path(__file__).parents[2] / "docs/glossary.toml").read_text(encoding="utf-8"))
DENIED = set(WORDS["denied"])
"""Each stood for a dozen things; docs/glossary.toml says what to write instead."""


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
