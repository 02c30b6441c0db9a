"""What every writer of predictions is given and has, and the files it may make."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, TextIO

from sightline.core.dataset import Classes
from sightline.errors import UsageError
from sightline.inference.presenters import Kind
from sightline.inference.sources import Answer, Sources


@dataclass(frozen=True)
class WriterContext:
    """What a writer must know.

    Attributes:
        out: File or folder.
        kind: How predictions are told.
        names: Name of each class.
        ids: Id of each class as annotated.
        sources: What is predicted.
        model: What predicts, in words.
    """

    out: Path
    kind: Kind
    names: Sequence[str]
    ids: Sequence[int]
    sources: Sources
    model: str

    @property
    def classes(self) -> Classes:
        """The class table."""
        return Classes(tuple(self.names), tuple(self.ids))

    @property
    def folder(self) -> str:
        """The folder that all sources lie in; empty where there is none."""
        return "" if self.sources.root is None else str(self.sources.root)


class Writer(ABC):
    """Writes predictions in one form, one image after the other.

    Attributes:
        name: As `--as` names the form.
        ending: Of `--out`, where that names the form too; "" for a folder.
        holds: Only predictions of objects, or of class maps; "" for any.
        unfiltered: Whether weak objects are written too, unless it is asked otherwise: to measure with.
    """

    name: ClassVar[str] = ""
    ending: ClassVar[str | None] = None
    holds: ClassVar[Literal["", "objects", "maps"]] = ""
    unfiltered: ClassVar[bool] = False

    def __init__(self, context: WriterContext) -> None:
        self.context = context

    @abstractmethod
    def write(self, answer: Answer) -> None:
        """Write what was predicted of one image, or that it was not read."""

    @abstractmethod
    def close(self) -> None:
        """Write what could not be written before the last image."""

    def abort(self) -> None:
        """End where prediction broke off; what is there stays."""
        self.close()


def text_file(out: Path) -> TextIO:
    """A new text file, in folders that are made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.open("w", encoding="utf-8", newline="")


def unique_names(context: WriterContext, ending: str) -> list[str]:
    """Names of the files that images will have.

    Raises:
        UsageError: If two would share one.
    """
    names = (PurePosixPath(context.sources.name(file)) for file in context.sources.files)
    files = [str(name.with_suffix(ending)) for name in names]
    twice = [name for name, n in Counter(files).items() if n > 1]
    if twice:
        raise UsageError(f"Two pictures would share the file {twice[0]}: give them to predict one by one.")
    return files


def unused(file: Path) -> Path:
    """The file, if nothing is there.

    Raises:
        UsageError: If something is.
    """
    if file.exists():
        raise UsageError(f"{file} is there already, and may be somebody's truth: choose another --out.")
    return file
