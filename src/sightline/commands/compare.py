"""compare: which run is better on the same test images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.declaration import command
from sightline.errors import UsageError

if TYPE_CHECKING:
    from sightline.evaluation.comparison import Comparison


@command
def compare(*runs: Path, data: str | None = None, task: str | None = None) -> Comparison:
    """Compare runs on the same test images, pair by pair, with exact or jackknife tests.

    Where both runs have been audited, their newest audits are compared too.

    Args:
        runs: Two or more run folders; with --task files or folders of predictions.
        data: Annotations that predictions are compared on.
        task: Task of predictions that any tool has made.
    """
    if task is not None:
        from sightline.evaluation.predicted_data import compare_predictions

        return compare_predictions(runs, data, task)
    if data is not None:
        raise UsageError(
            "Runs are compared on their own test images. --data goes with --task and predictions."
        )
    from sightline.audits._compare import compare_audits
    from sightline.evaluation.comparison import compare_runs

    result = compare_runs(runs)
    for other in runs[1:]:
        messages, tables = compare_audits(Path(runs[0]), Path(other))
        result = replace(result, messages=(*result.messages, *messages), tables=(*result.tables, *tables))
    return result
