"""demo: all steps on the embedded digits."""

from __future__ import annotations

from pathlib import Path

from sightline.commands import train
from sightline.core.run import Run
from sightline.training.recipe import Recipe


def run(*, out: Path | None = None, seed: int = 0) -> Run:
    """See `sightline.api.demo`."""
    return train.run("digits", out=out, seed=seed, recipe=Recipe(epochs=20))
