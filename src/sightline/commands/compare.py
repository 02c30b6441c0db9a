"""compare: which run is better on the same test images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.evaluation.comparison import Comparison


@command
def compare(*runs: Path) -> Comparison:
    """Compare runs on the same test images, pair by pair, with exact or jackknife tests.

    Args:
        runs: Two or more run folders.
    """
    from sightline.evaluation.comparison import compare_runs

    return compare_runs(runs)
