"""The whole way on the embedded digits."""

from __future__ import annotations

from pathlib import Path

from sightline.core.run import Run
from sightline.engine.recipe import Recipe
from sightline.verbs import train


def run(*, out: Path | None = None, seed: int = 0) -> Run:
    """See `sightline.api.demo`."""
    return train.run("digits", out=out, seed=seed, recipe=Recipe(epochs=20))
