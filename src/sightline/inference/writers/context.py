"""Base class and context of writers, and their output files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, TextIO

import numpy as np

from sightline.core.dataset import Classes
from sightline.errors import UsageError
from sightline.inference.presenters import Kind
from sightline.inference.sources import Answer, Sources
from sightline.inference.tracking import FilmTracking, TrackOptions


@dataclass(frozen=True)
class WriterContext:
    """Context of a writer.

    Attributes:
        out: File or folder.
        kind: How predictions are told.
        settings: Of the model; they hold the classes.
        sources: What is predicted.
        model: What predicts, in words.
        options: Options of tracking.
        tracking: What gives objects their identities, or None.
    """

    out: Path
    kind: Kind
    settings: Mapping[str, Any]
    sources: Sources
    model: str
    options: TrackOptions = field(default_factory=TrackOptions)
    tracking: FilmTracking | None = None

    @property
    def names(self) -> Sequence[str]:
        """Name of each class."""
        names: Sequence[str] = self.settings.get("classes", [])
        return names

    @property
    def ids(self) -> Sequence[int]:
        """Id of each class as annotated."""
        ids: Sequence[int] = self.settings.get("class_ids") or range(len(self.names))
        return ids

    @property
    def classes(self) -> Classes:
        """The class table."""
        return Classes(tuple(self.names), tuple(self.ids))

    @property
    def folder(self) -> str:
        """Common folder of all sources; empty if there is none."""
        return "" if self.sources.root is None else str(self.sources.root)


class Writer(ABC):
    """Base class of writers: one output format, image by image.

    Attributes:
        name: As `--to` names the form.
        ending: Of `--out`, where that names the form too; "" for a folder.
        holds: Only predictions of objects, or of class maps; "" for any.
        unfiltered: Whether weak objects are written too, unless it is asked otherwise: to measure with.
        draws: Whether it draws frames, and is given those of a film that was predicted in windows.
    """

    name: ClassVar[str] = ""
    ending: ClassVar[str | None] = None
    holds: ClassVar[Literal["", "objects", "maps"]] = ""
    unfiltered: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    def __init__(self, context: WriterContext) -> None:
        self.context = context

    @abstractmethod
    def write(self, answer: Answer) -> None:
        """Write the prediction of one image, or its error."""

    @abstractmethod
    def close(self) -> None:
        """Write the remaining content after the last image."""

    def abort(self) -> None:
        """Stop after an interrupted prediction; written content stays."""
        self.close()


def drawn_on(context: WriterContext, answer: Answer) -> np.ndarray:
    """(H, W, 3) image with its prediction drawn on it.

    Raises:
        UnreadableImage: If it was read by windows, and is too large as a whole.
    """
    image, outcome = answer.input.full(), answer.outcome
    if context.tracking is not None:
        image = context.tracking.overlay(image)
    return context.kind.drawn(image, outcome.prediction, outcome.row, context.names)


def text_file(out: Path) -> TextIO:
    """Open a new text file; its folders are created."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.open("w", encoding="utf-8", newline="")


def unique_names(context: WriterContext, ending: str) -> list[str]:
    """Unique names for the files of images.

    Raises:
        UsageError: If two would share one.
    """
    names = (PurePosixPath(context.sources.name(file)) for file in context.sources.files)
    files = [str(name.with_suffix(ending)) for name in names]
    twice = [name for name, n in Counter(files).items() if n > 1]
    if twice:
        raise UsageError(f"Two images would share the file {twice[0]}: give them to predict one by one.")
    return files


def unused(file: Path) -> Path:
    """The path, if no file exists there; raises otherwise.

    Raises:
        UsageError: If something is.
    """
    if file.exists():
        raise UsageError(f"{file} is there already, and may hold annotations: choose another --out.")
    return file
