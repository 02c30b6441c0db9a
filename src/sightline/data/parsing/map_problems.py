"""Findings about the content of class maps: numbers and colors without a class, smoothed and lossy masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sightline.core.report import Severity
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.data.io.label_maps import nearest, parts_of
from sightline.data.parsing.class_tables import EXPECTED, Table
from sightline.data.parsing.map_files import MaskFiles

_MAX_SHOWN = 5
_MOST_MAPS = 0.9
"""Share of the maps from which a number that no table declares is more than an aside."""
_FEW_MAPS = 3
"""Maps that are too few to say so."""


@dataclass
class MapProblems:
    """Problems of maps, by the name of the map; `report` makes findings of them."""

    unknown: dict[str, Counter[int]] = field(default_factory=dict)
    colors: dict[str, Counter[int]] = field(default_factory=dict)
    undeclared: dict[str, Counter[int]] = field(default_factory=dict)
    lossy: list[str] = field(default_factory=list)
    smooth: list[str] = field(default_factory=list)
    bare_of_ids: list[str] = field(default_factory=list)
    colored: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    by_palette: bool = False


def report(files: MaskFiles, findings: MapProblems, table: Table) -> None:
    """Note a finding for each kind of problem."""
    _tell_of_keys(files, findings, table)
    note = files.note
    what = "masks hold colours, and no table says what they stand for; they were left out"
    fix = f"Save the masks with class ids, or add a table of colours. {EXPECTED}."
    note("masks-in-color", "error", sorted(findings.colored), what, fix)
    what = (
        "masks hold values between those of the classes, as JPEG, WebP, scaling with mixing and drawing with "
    )
    what += "smooth edges leave them; they were left out"
    fix = (
        "Export them again as PNG, scaled by the nearest pixel and drawn without smoothing (0 and 255: by a "
    )
    fix += "threshold): ids that were changed cannot be told from others."
    note("masks-lossy", "error", sorted(findings.lossy), what, fix)
    what = "masks have edges that go through the numbers of other classes, as scaling with mixing leaves them"
    fix = "Look at the edges in one of them; scale masks by the nearest pixel."
    note("masks-smoothed", "warning", sorted(findings.smooth), what, fix)
    what = "masks of single classes hold more than one value beside 0, or differ in size; they were left out"
    fix = "Keep one mask of 0 and 255 for each class, or one map of class ids for each image."
    note("class-masks-not-binary", "error", sorted(findings.mixed), what, fix)
    what = "images have pixels in masks of two classes, which count as no class"
    fix = "Draw the masks so that each pixel is in one."
    note("masks-overlap", "warning", sorted(findings.overlapping), what, fix)
    what = "images have pixels in no mask, not even that of the background; they count as no class"
    note("masks-with-gaps", "info", sorted(findings.bare), what, "Nothing, if that is meant.")


def _tell_of_keys(files: MaskFiles, findings: MapProblems, table: Table) -> None:
    """Findings about numbers and colors that are not in the table."""
    where = Path(table.source).name if table.source != str(files.root) else "the class table"

    def near(code: int) -> str:
        return f"{_shown(code)}, nearest is {_nearest(code, table)}"

    total = _total(findings.unknown, str)
    what = f"masks hold numbers that {where} has not, and that count as no class{total}"
    fix = "Add the classes to the table, or mend the masks; grey levels made of a palette are no ids."
    files.note("mask-ids-unknown", "error", _each_of(findings.unknown, str), what, fix)
    total = _total(findings.colors, near)
    what = f"masks hold colours that {where} has not, and that count as no class{total}"
    fix = "Add the colours to the table; where they lie between two, the masks were scaled or saved as JPEG."
    files.note("mask-colors-unknown", "error", _each_of(findings.colors, _shown), what, fix)
    void = len(findings.undeclared)
    if findings.bare_of_ids and len(findings.bare_of_ids) > void / 2:
        what = "masks hold nothing but 0 and a number that by custom is no class: their objects would be lost"
        fix = "Write what it stands for into a table such as classes.txt ('255 object', or '255 void')."
        files.note("foreground-ignored", "error", sorted(findings.bare_of_ids), what, fix)
    total = _total(findings.undeclared, str)
    severity: Severity = "warning" if void >= max(_FEW_MAPS, _MOST_MAPS * len(files.items)) else "info"
    what = f"masks hold numbers that are in no table, and by custom count as no class{total}"
    fix = "Nothing, if that is meant; else name the class in a table such as classes.txt."
    files.note("ignored-undeclared", severity, _each_of(findings.undeclared, str), what, fix)


def _total(rows: dict[str, Counter[int]], word: Callable[[int], str]) -> str:
    """The commonest keys over all maps, with their pixels, in brackets."""
    whole: Counter[int] = sum(rows.values(), Counter())
    some = [f"{word(key)}: {count:,} pixels" for key, count in whole.most_common(_MAX_SHOWN)]
    more = f"; and {len(whole) - _MAX_SHOWN} more" if len(whole) > _MAX_SHOWN else ""
    return f" ({'; '.join(some)}{more})" if some else ""


def _each_of(rows: dict[str, Counter[int]], word: Callable[[int], str]) -> list[str]:
    """A text for each map."""
    return [
        f"{name}: " + " ".join(f"{word(key)} ({count:,} px)" for key, count in counts.most_common(_MAX_SHOWN))
        for name, counts in sorted(rows.items())
    ]


def _shown(code: int) -> str:
    return "({})".format(", ".join(str(int(v[0])) for v in parts_of(np.array([code]))))


def _nearest(code: int, table: Table) -> str:
    """The colour of the table that is nearest to one, and its class."""
    colors = list(table.colors)
    best = colors[nearest(code, colors)]
    index = table.colors[best]
    return f"{_shown(best)} '{'void' if index == IGNORE_INDEX else table.entries[index].name}'"
