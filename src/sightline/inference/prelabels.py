"""Pre-annotation: write predictions as a labeled data set, in any writable format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from sightline.console import quiet, say
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.instances import Instances
from sightline.data.formats import FORMATS
from sightline.data.io.pixels import Files, Pages
from sightline.errors import UsageError
from sightline.inference.sources import Answer


def written_formats() -> list[str]:
    """Names of the formats that data sets are written in."""
    return [name for name in FORMATS.names() if hasattr(FORMATS.load(name), "write")]


@contextmanager
def collected(name: str, out: Path, names: list[str], ids: list[int]) -> Iterator[Callable[[Answer], None]]:
    """Collect predictions (compressed), and write all of them with their images at the end.

    Args:
        name: Of the format.
        out: Folder, new or empty.
        names: Name of each class.
        ids: Id of each class as annotated.

    Raises:
        UsageError: If the folder is not empty, or frames of a film are to be written, which are no files.
        DataError: If the format cannot hold such predictions.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already, and may be somebody's truth: choose another --out.")
    module: ModuleType = FORMATS.load(name)
    places: list[tuple[Path, int]] = []
    stems: list[str] = []
    predictions: list[Any] = []

    def add(answer: Answer) -> None:
        item, outcome = answer.input, answer.outcome
        if outcome.error:
            return
        if not isinstance(item.pixels, Files | Pages):
            raise UsageError(f"--as {name} is for pictures in files. {item.id} is a frame: use --as jsonl.")
        prediction = outcome.prediction
        if isinstance(prediction, Instances):
            prediction = replace(prediction, scores=None)
        places.append(item.pixels.place(0))
        stems.append(item.name)
        predictions.append(prediction.packed())
        if len(predictions) == 1:  # a format that cannot hold such predictions says so now, not after hours
            with tempfile.TemporaryDirectory() as trial, quiet():
                module.write(dataset(), Path(trial) / "trial")

    def dataset() -> Dataset:
        paged = any(page for _, page in places)
        pixels = Pages(places) if paged else Files([path for path, _ in places])
        targets, classes = type(predictions[0]).cat(predictions), Classes(tuple(names), tuple(ids))
        return Dataset("predictions", name, stems, pixels, targets, classes)

    yield add
    if not predictions:
        say(f"Nothing was written to {out}: no picture could be read.")
        return
    where = module.write(dataset(), out)
    say(f"{where}: {len(predictions):,} pictures with what was predicted, as a data set ({name}).")
