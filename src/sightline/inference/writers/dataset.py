"""Writer of labeled data sets (pre-annotation), in any writable format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sightline.console import quiet, say
from sightline.core.dataset import Dataset
from sightline.data.formats import FORMATS
from sightline.data.io.items import ItemFiles
from sightline.data.io.pixels import Files, Pages
from sightline.errors import UsageError
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext


class DatasetWriter(Writer):
    """Collects predictions (compressed), and writes all of them with their images at the end.

    Args:
        context: What a writer must know; `out` is a folder, new or empty.
        format: Name of the format.

    Raises:
        UsageError: If the folder is not empty, or frames of a film are to be written, which are no files.
        DataError: If the format cannot hold such predictions.
    """

    def __init__(self, context: WriterContext, format: str) -> None:
        super().__init__(context)
        out = context.out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there already, and may hold annotations: choose another --out.")
        self._format, self._module = format, FORMATS.load(format)
        self._places: list[tuple[Path, int]] = []
        self._names: list[str] = []
        self._predictions: list[Any] = []

    def write(self, answer: Answer) -> None:
        """Store the prediction of one image."""
        item, outcome = answer.input, answer.outcome
        if outcome.error:
            return
        if not isinstance(item.pixels, Files | Pages | ItemFiles):
            raise UsageError(
                f"--to {self._format} is for images in files. {item.id} is a frame: use --to jsonl."
            )
        self._places.append(item.pixels.place(0))
        self._names.append(item.name)
        self._predictions.append(outcome.prediction.compressed())
        if len(self._predictions) == 1:  # a format that cannot hold such says so now, not after hours
            with tempfile.TemporaryDirectory() as trial, quiet():
                self._module.write(self._dataset(), Path(trial) / "trial")

    def _dataset(self) -> Dataset:
        """The predictions and their images as a data set."""
        paged = any(page for _, page in self._places)
        pixels = Pages(self._places) if paged else Files([path for path, _ in self._places])
        targets = type(self._predictions[0]).cat(self._predictions)
        return Dataset("predictions", self._format, self._names, pixels, targets, self.context.classes)

    def close(self) -> None:
        """Write the data set."""
        if not self._predictions:
            say(f"Nothing was written to {self.context.out}: no image could be read.")
            return
        where = self._module.write(self._dataset(), self.context.out)
        n = len(self._predictions)
        say(f"{where}: {n:,} images with what was predicted, as a data set ({self._format}).")

    def abort(self) -> None:
        """Write nothing: an incomplete data set is not useful."""
