"""Location of a named data set that is stored on disk in another format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sightline.core.dataset import Classes, Dataset


@dataclass(frozen=True)
class SourceLocation:
    """Location of a named data set, and its format.

    Attributes:
        name: What the user named.
        folder: Where it lies.
        format: Name of the format that reads it.
        classes: Class names by id, where the files do not carry them.
    """

    name: str
    folder: Path
    format: str
    classes: tuple[str, ...] = ()

    def dress(self, dataset: Dataset) -> Dataset:
        """The data set as read, under its own name and with its class names."""
        table = dataset.classes
        if self.classes and table is not None and set(table.ids) <= set(range(len(self.classes))):
            table = Classes(tuple(self.classes[i] for i in table.ids), table.ids)
        note = f"'{self.name}' was found at {self.folder}."
        return replace(dataset, name=self.name, classes=table, messages=(note, *dataset.messages))
