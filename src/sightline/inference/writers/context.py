"""What every writer of predictions is given, and the files it may make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TextIO

from sightline.errors import UsageError
from sightline.inference.presenters import Kind
from sightline.inference.sources import Answer, Sources

Write = Callable[[Answer], None]


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


@contextmanager
def text_file(out: Path) -> Iterator[TextIO]:
    """A new text file, in folders that are made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def unique_names(context: WriterContext, ending: str) -> list[str]:
    """Names of the files that pictures will have.

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


def source_folder(context: WriterContext) -> str:
    """The folder that all sources lie in; empty where there is none."""
    return "" if context.sources.root is None else str(context.sources.root)
