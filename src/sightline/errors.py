"""The exception tree: every error a user can meet, with its exit code.

SightlineError            1   a finding, a failed gate, a run that broke off
├── UsageError            2   an option or a name that cannot be right
│   └── UnknownName       2   names the nearest known one, never takes it
├── DataError             3   data that cannot be used
│   └── UnreadableImage   3   one file that no decoder may open
├── MissingExtra          4   an optional part that is not installed
├── TrainingFailed        1   NaN loss, out of memory
└── Interrupted           130 stopped by the user, and resumable
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SightlineError(Exception):
    """Base of all errors raised on purpose. Its text names what is wrong and the way out."""

    exit_code = 1


class UsageError(SightlineError):
    """An option, argument or combination of them that cannot be right."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not among the known ones.

    Args:
        kind: What was named, as a user says it: "model", "task", "option".
        name: What was given.
        known_names: What exists. The nearest is suggested, never taken.
        hint: A sentence on where to see them all.
    """

    def __init__(self, kind: str, name: str, known_names: Iterable[str], hint: str = "") -> None:
        names = sorted(known_names)
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        text = f"There is no {kind} '{name}'."
        if near:
            text += f" Did you mean {' or '.join(repr(n) for n in near)}?"
        elif len(names) <= 30:
            text += f" Known: {', '.join(names)}."
        super().__init__(f"{text} {hint}".strip())
        self.kind, self.name, self.near = kind, name, near


class DataError(SightlineError):
    """Data that cannot be used as it is. Names the file and what to do."""

    exit_code = 3


class UnreadableImage(DataError):
    """One image file that cannot be decoded.

    Args:
        path: The file.
        reason: One word for the kind of trouble, as the check reports it ("truncated").
        detail: What was found, in a sentence.
    """

    def __init__(self, path: object, reason: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path, self.reason, self.detail = path, reason, detail

    def __reduce__(self) -> tuple[type, tuple[object, str, str]]:
        return type(self), (self.path, self.reason, self.detail)


class MissingExtra(SightlineError):
    """A part that needs packages of an extra that is not installed. Nothing is ever installed here.

    Args:
        what: What was asked for.
        extra: The extra of this package that brings it.
    """

    exit_code = 4

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'sightline[{extra}]'")
        self.extra = extra


class TrainingFailed(SightlineError):
    """Training broke off. The run folder keeps what it had; the text says how to go on."""


class Interrupted(SightlineError):
    """Stopped by the user; the run folder is usable and can be resumed."""

    exit_code = 130
