"""Arguments that may accompany --resume: current locations. All others come from the resumed run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.core.dataset import Dataset
from sightline.core.run import Run
from sightline.errors import DataError, UsageError
from sightline.training.arguments import TrainArguments
from sightline.training.recipe import Recipe

_TAKEN = ("data", "resume", "device", "data_dir")


@dataclass(frozen=True)
class Resumed:
    """The run to resume, and its location.

    Attributes:
        data: Where the data lie now.
        path: The run, or the folder of a search.
        device: Where to go on, or None: where it was.
        data_dir: Where a named data set lies now, or None: where it did.
    """

    data: str
    path: Path
    device: str | None
    data_dir: Path | None

    def arguments(self, stored: Mapping[str, Any]) -> TrainArguments:
        """Recorded arguments of a run, with the new ones."""
        anew: dict[str, Any] = {"data": self.data}
        if self.data_dir is not None:
            anew["data_dir"] = self.data_dir
        if self.device is not None:
            anew["device"] = self.device
        return TrainArguments.from_json({**stored, **anew})


def resumed(given: Mapping[str, Any]) -> Resumed:
    """Arguments of a command that is called with --resume.

    Args:
        given: Arguments by name, none that was left out: a value that is the default was given all the same.

    Raises:
        UsageError: If anything is among them that would have no effect.
    """
    odd = next(_odd(given), None)
    if odd is not None:
        raise UsageError(
            f"--resume goes on with the settings of what it resumes; leave out --{odd.replace('_', '-')}, or "
            "start anew without --resume."
        )
    return Resumed(given["data"], given["resume"], given.get("device"), given.get("data_dir"))


def _odd(given: Mapping[str, Any]) -> Iterator[str]:
    """Names of what is not taken up. None and an empty list ask for nothing, from Python."""
    recipe = given.get("recipe", Recipe())
    yield from recipe.given()
    for name, value in {**given, **given.get("options", {})}.items():
        if name in ("recipe", "options", *_TAKEN):
            continue
        if value is not None and not (isinstance(value, list | tuple) and not value):
            yield name


def same_data(run: Run, dataset: Dataset, data: str) -> None:
    """Refuse to go on with other data.

    Raises:
        DataError: If an image, a label or a name changed.
    """
    now, then = dataset.fingerprint(), run.record.data.fingerprint
    if now != then:
        raise DataError(
            f"{data} is not what {run.path} was trained on (fingerprint {now[:12]}, then {then[:12]}): an "
            "image, a label or a name changed. Resume with the same data, or start a new run."
        )
