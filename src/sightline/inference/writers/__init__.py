"""Where predictions go: one file for each written form that `--as` names, found by listing the folder.

A form has `NAME` (as a user writes it), perhaps `ENDING` (of `--out`, that names it too), `HOLDS` ("objects"
or "maps", where it holds nothing else), `UNFILTERED` (weak objects are in it too) and
`open_writer(context)`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from sightline.core.folder import Folder
from sightline.errors import UsageError
from sightline.inference.presenters import Kind
from sightline.inference.writers.context import Write, WriterContext
from sightline.inference.writers.dataset import collected, written_formats

__all__ = ["Write", "WriterContext", "form_of", "forms", "open_writer", "unfiltered"]


def forms() -> dict[str, ModuleType]:
    """Every form that has a file here, by its name."""
    folder = Folder(__name__, "form", exclude=("context", "dataset"))
    return {module.NAME: module for module in map(folder.load, folder.names())}


def open_writer(form: str, context: WriterContext) -> AbstractContextManager[Write]:
    """What writes this form, or a data set in a format of this name."""
    modules = forms()
    if form in modules:
        opened: AbstractContextManager[Write] = modules[form].open_writer(context)
        return opened
    return collected(form, context.out, list(context.names), list(context.ids))


def unfiltered(form: str | None) -> bool:
    """Whether weak objects are written too, unless it is asked otherwise: to measure with."""
    return form is not None and getattr(forms().get(form), "UNFILTERED", False)


def form_of(out: Path | None, as_: str | None, kind: Kind) -> str | None:
    """Name of the form: as asked for, or by the ending of `out`.

    Raises:
        UsageError: If the ending says nothing, or the predictions have no such form.
    """
    if out is None:
        if as_ is not None:
            raise UsageError(f"--as {as_} says how to write, and --out where: give it too.")
        return None
    modules = forms()
    endings = {m.ENDING: name for name, m in modules.items() if hasattr(m, "ENDING")}
    form = as_ or endings.get("" if out.is_dir() else out.suffix)
    if form is None:
        raise UsageError(
            f"--out must end in .csv, .jsonl or .json, or be a folder for pictures. Received '{out}'. "
            f"--as says otherwise: {', '.join(modules)}."
        )
    if form not in modules:
        formats = written_formats()
        if form not in formats:
            names = ", ".join(dict.fromkeys([*modules, *formats]))
            raise UsageError(f"--as is one of {names}. Received '{form}'.")
        if not (kind.objects or kind.maps):
            raise UsageError(f"--as {form} holds what lies in pictures, and this model says one thing of the "
                             "whole picture. Use .csv or .jsonl.")  # fmt: skip
        return form
    holds = getattr(modules[form], "HOLDS", None)
    if holds == "maps" and not kind.maps:
        raise UsageError(f"--as {form} holds class maps, and this model gives none. Use .csv or .jsonl.")
    if holds == "objects" and not kind.objects:
        raise UsageError(f"{form} holds boxes, and this model gives none. Use .csv or .jsonl.")
    return form
