"""tune: search for better settings on the validation part. The test part is not used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightline.declaration import command_of
from sightline.training.arguments import TuneArguments

if TYPE_CHECKING:
    from sightline.training.tuning import Searched


def _resume(given: Mapping[str, Any]) -> Searched:
    from sightline.training import tuning
    from sightline.training.resumed_arguments import resumed

    return tuning.resume(resumed(given))


@command_of(TuneArguments, resume=_resume)
def tune(arguments: TuneArguments) -> Searched:
    """Search for better settings on the validation part; the test part is not used."""
    from sightline.training import tuning

    return tuning.start(arguments)
