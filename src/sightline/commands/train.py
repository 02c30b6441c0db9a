"""train: a new run, or a resumed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightline.declaration import command_of
from sightline.training.arguments import TrainArguments

if TYPE_CHECKING:
    from sightline.core.run import Run


def _resume(given: Mapping[str, Any]) -> Run:
    from sightline.training import launch
    from sightline.training.resumed_arguments import resumed

    return launch.resume_run(resumed(given))


@command_of(TrainArguments, resume=_resume)
def train(arguments: TrainArguments) -> Run:
    """Check the data, train a model, compare it with baselines, and use the test set once."""
    from sightline.training import launch

    return launch.start_run(arguments)
