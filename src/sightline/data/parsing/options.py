"""Options of a reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReadOptions:
    """Options of a reader, from the user.

    Attributes:
        target_type: Target kind that is wanted ("label", "number"), or None for what the data hold.
        target: Column of a table that holds the target; several with commas between.
        exif: "ignore" where annotations are in the pixels that are stored; else they are in those seen.
        data_dir: Folder of named data sets, for reading and downloading.
        input: Kind of input that an item is read as ("image", "clip"), or None for what the data hold.
        predictions: The annotations, where predictions of them are read, with scores of objects; else None.
    """

    target_type: str | None = None
    target: str | None = None
    exif: str | None = None
    data_dir: Path | None = None
    input: str | None = None
    predictions: Path | None = None
