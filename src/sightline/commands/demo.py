"""demo: all steps on the embedded digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.commands.train import train
from sightline.declaration import command
from sightline.training.arguments import Seed
from sightline.training.recipe import Recipe

if TYPE_CHECKING:
    from sightline.core.run import Run


@command
def demo(*, out: Path | None = None, seed: Seed = 0) -> Run:
    """Run all steps on the embedded digits, in a minute: train, and write a report.

    Args:
        out: Run folder; by default runs/digits-N.
        seed: Seed of the run.
    """
    return train("digits", out=out, seed=seed, recipe=Recipe(epochs=20))
