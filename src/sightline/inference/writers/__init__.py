"""Writers of predictions: one file for each output format of `--to`, found by listing the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.core.folder import Folder
from sightline.data.convert import written_formats
from sightline.errors import UsageError
from sightline.inference.presenters import Kind
from sightline.inference.sources import Answer
from sightline.inference.time_line import time_lines
from sightline.inference.writers.context import Writer, WriterContext
from sightline.inference.writers.dataset import DatasetWriter
from sightline.runtime.rows import Row

__all__ = ["WriterContext", "form_of", "forms", "open_writer", "unfiltered"]


def forms() -> dict[str, type[Writer]]:
    """Output formats with a file in this folder, by name."""
    folder = Folder(__name__, "form", exclude=("context", "dataset"))
    classes: list[type[Writer]] = [folder.load(name).WRITER for name in folder.names()]
    return {writer.name: writer for writer in classes}


@contextmanager
def open_writer(
    form: str | None, context: WriterContext, time_line: list[Row]
) -> Iterator[Callable[[Answer], None]]:
    """Open the writer of an output format, or of a data set format with this name; None writes nothing.

    Args:
        form: The format.
        context: What is written.
        time_line: Takes the rows of `time_lines`, where films are seen in windows.
    """
    windows, names = context.sources.windows, context.names
    with (
        _opened(form, context) as write,
        time_lines(windows, names, write, _draws(form), time_line) as take,
    ):
        yield take


@contextmanager
def _opened(form: str | None, context: WriterContext) -> Iterator[Callable[[Answer], None]]:
    if form is None:
        yield lambda answer: None
        return
    listed = forms().get(form)
    writer = DatasetWriter(context, form) if listed is None else listed(context)
    try:
        yield writer.write
    except BaseException:
        writer.abort()
        raise
    writer.close()


def unfiltered(form: str | None) -> bool:
    """Whether weak objects are written by default, because metrics need them."""
    listed = None if form is None else forms().get(form)
    return listed is not None and listed.unfiltered


def _draws(form: str | None) -> bool:
    """Whether what is written are frames that are drawn on."""
    listed = None if form is None else forms().get(form)
    return listed is not None and listed.draws


def form_of(out: Path | None, to: str | None, kind: Kind) -> str | None:
    """Name of the output format: the requested one, or by the extension of `out`.

    Raises:
        UsageError: If the ending says nothing, or the predictions have no such form.
    """
    if out is None:
        if to is not None:
            raise UsageError(f"--to {to} says how to write, and --out where: give it too.")
        return None
    writers = forms()
    endings = {writer.ending: name for name, writer in writers.items() if writer.ending is not None}
    form = to or endings.get("" if out.is_dir() else out.suffix)
    if form is None:
        raise UsageError(
            f"--out must end in {', '.join(filter(None, endings))}, or be a folder for images. "
            f"Received '{out}'. --to says otherwise: {', '.join(writers)}."
        )
    if form not in writers:
        formats = written_formats()
        if form not in formats:
            names = ", ".join(dict.fromkeys([*writers, *formats]))
            raise UsageError(f"--to is one of {names}. Received '{form}'.")
        if not (kind.objects or kind.maps):
            raise UsageError(f"--to {form} holds what lies in images, and this model says one thing of the "
                             "whole image. Use .csv or .jsonl.")  # fmt: skip
        return form
    holds = writers[form].holds
    if holds == "maps" and not kind.maps:
        raise UsageError(f"--to {form} holds class maps, and this model gives none. Use .csv or .jsonl.")
    if holds == "objects" and not kind.objects:
        raise UsageError(f"{form} holds boxes, and this model gives none. Use .csv or .jsonl.")
    return form
