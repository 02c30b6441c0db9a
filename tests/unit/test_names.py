"""Names inside functions are nouns of the field, not words that could mean anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sightline

ROOT = Path(sightline.__file__).parent
DENIED = {
    "said", "found", "made", "kept", "told", "asked", "looked", "one", "two", "there", "own", "seen", "known",
}  # fmt: skip
"""Each stood for a dozen things. Say what it is: `outputs`, `detections`, `plan`, `stored`, `arguments`."""


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
