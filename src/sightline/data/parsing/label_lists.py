"""Multiple labels in one cell: the separator, and cells that seem to hold several labels but were not
split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from shlex import quote

from sightline.core.report import Finding, Severity

PLURALS = ("labels", "tags", "classes", "categories", "attributes")
"""Names of columns of which a cell may hold several labels."""
SPACE = "space"
_DOUBTED = (",", "/", "+", "&", " ")
"""What may divide labels, and may as well stand in the name of a class."""
_ALONE = 2
"""So many labels that stand alone too are no chance ("hot dog" beside "dog" may be)."""


def requested_columns(target: str, names: Sequence[str]) -> tuple[list[str], str]:
    """Columns that --target names, and what it says divides the labels in a cell ("tags:space", "tags:+").

    Args:
        target: As given: a column, or several with commas between.
        names: The columns that there are; one that is called so is meant as it is.
    """
    column, colon, mark = target.rpartition(":")
    if target not in names and colon and column in names:
        return [column], " " if mark in (SPACE, "") else mark
    return [target] if target in names else [t.strip() for t in target.split(",")], ""


def divider(name: str, column: Sequence[str]) -> str:
    """Separator of several labels in the cells of a column; "" if uncertain."""
    marks = ("|", ";", ",") if name.lower() in PLURALS else ("|", ";")
    return next((mark for mark in marks if any(mark in cell for cell in column)), "")


def undivided(name: str, kinds: Sequence[str]) -> list[Finding]:
    """A finding where classes look like several labels that were taken for one: "haze primary road".

    Labels that stand alone in other cells, or fewer words than cells that are made of them, tell.

    Args:
        name: The column.
        kinds: Its classes.
    """
    for mark in _DOUBTED:
        parts = {kind: [part.strip() for part in kind.split(mark) if part.strip()] for kind in kinds}
        several = [kind for kind in kinds if len(parts[kind]) > 1]
        counts = Counter(part for kind in kinds for part in {*parts[kind]})
        inside = {part for kind in several for part in parts[kind]}
        alone = [kind for kind in kinds if kind in inside]
        fewer = mark == " " and len(counts) < len(kinds)
        mixed = sum(any(counts[part] > 1 for part in parts[kind]) for kind in several) > len(several) / 2
        plural = name.lower() in PLURALS
        if not several or not (len(alone) >= _ALONE or fewer or (plural and mixed)):
            continue
        severity: Severity = "error" if plural or len(alone) >= _ALONE else "warning"
        mark_name = {" ": "spaces", ",": "commas"}.get(mark, f"'{mark}'")
        option = "--target " + quote(f"{name}:{SPACE if mark == ' ' else mark}")
        text = f"{len(several):,} classes of the column '{name}' look like several labels divided by "
        longest = max(several, key=lambda kind: len(parts[kind]))
        text += f"{mark_name} ('{longest}'), and each was taken for one class"
        fix = f"Say {option} if they are several labels; accept it if they are names of classes."
        return [Finding("labels-undivided", severity, text, fix, len(several), tuple(several))]
    return []
