"""HTML report: one file that works offline, on a phone, on paper, and with a screen reader.

It loads nothing from the network, and its content security policy forbids it. All text from the user
(names, captions) is escaped. If an image cannot be shown, a text takes its place.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sightline import storage
from sightline.core.report import Figure, Finding, ImageGrid, Matrix, PredictionGallery, Score, Table
from sightline.data.io.encode import encode_jpeg, encode_png
from sightline.data.loading.preprocess import resize_to_input
from sightline.report.figures import COUNTED, RenderedFigure, svg
from sightline.report.gallery import SIDE as SCENE_SIDE
from sightline.report.gallery import scene
from sightline.report.text import escape_text, format_number

Fetch = Callable[[str], np.ndarray]

SIDE = 160  # longest side of an image in pixels
MAX_SHOWN = 60  # most images of one exhibit
LISTED = 5  # files named under a finding at once
MORE = 200  # files named when one asks for more
ROWS = 1000  # most rows of a table
SEVERITIES = {"error": "Errors", "warning": "Warnings", "info": "Notes"}


Tone = Literal["bad", "warn", "good", "told", "off"]


@dataclass(frozen=True)
class Badge:
    """A word with a color behind it, in a cell of a table or beside a heading. The word says all.

    Attributes:
        text: The word.
        tone: What the color stands for.
    """

    text: str
    tone: Tone


@dataclass(frozen=True)
class Section:
    """One part of a report.

    Attributes:
        title: Its heading.
        text: Plain text. A blank line ends a paragraph; lines indented by four spaces are code.
        figures: What it shows, in order.
        findings: What checks have found.
        badge: What stands beside the heading.
    """

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    findings: tuple[Finding, ...] = ()
    badge: Badge | None = None


@dataclass(frozen=True)
class Page:
    """A whole report as data.

    Attributes:
        title: Its title.
        lead: What was asked, in a sentence or two.
        headlines: Tiles at the top (name, value), as "accuracy" and `Score.text()`.
        conclusions: Sentences the numbers allow; they stand on top.
        sections: The parts, in order.
    """

    title: str
    lead: str
    headlines: Sequence[tuple[str, str]]
    conclusions: Sequence[str]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Cell:
    """A table cell: main text, small text beside it, sort key, and the tone of a badge."""

    text: str
    small: str = ""
    sort: str = ""
    numeric: bool = False
    tone: str = ""


@dataclass(frozen=True)
class Shown:
    """An image of the page: a data URI, or the reason for its absence."""

    uri: str
    width: int
    pixelated: bool
    caption: str
    id: str
    error: str = ""


def write(page: Page, image: Fetch, path: Path) -> None:
    """Render a report and write it atomically.

    Args:
        page: What it says.
        image: Id to image, (H, W, C) uint8, C is 3 or 1. May raise.
        path: The HTML file.

    Raises:
        SightlineError: If the disk refuses.
    """
    storage.write_text(path, render(page, image))


def render(page: Page, image: Fetch) -> str:
    """Render a report as one HTML document. Equal pages give equal text.

    Args:
        page: What it says.
        image: Id to image, (H, W, C) uint8, C is 3 or 1. May raise: the text is shown instead.
    """
    environment = _environment()
    source = environment.loader.get_source  # type: ignore[union-attr]
    script = source(environment, "page.js")[0]
    html = environment.get_template("page.html.j2").render(
        page=page,
        headlines=[(name, *_headline(value)) for name, value in page.headlines],
        sections=[_section(i, s, cache(image)) for i, s in enumerate(page.sections)],
        style=Markup(source(environment, "page.css")[0]),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return html.encode("utf-8", "backslashreplace").decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sightline", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = _legal
    return environment


def _legal(text: object) -> str:
    """Remove control characters that HTML forbids; line breaks stay."""
    return "\n".join(escape_text(line) for line in str(text).splitlines())


def _headline(value: str) -> tuple[str, str]:
    """Split '97.5 % (95.1 to 98.9, n 360)' into main text and small text."""
    head, bracket, rest = str(value).partition(" (")
    return (head, rest.removesuffix(")")) if bracket and rest.endswith(")") else (str(value), "")


def _section(index: int, section: Section, image: Fetch) -> dict[str, Any]:
    blocks = [
        block
        for j, exhibit in enumerate(section.figures)
        for block in _blocks(exhibit, f"e{index}-{j}-", image)
    ]
    return {
        "id": f"part-{index + 1}",
        "title": section.title,
        "badge": section.badge,
        "text": list(_paragraphs(section.text)),
        "blocks": _paired(blocks),
        "findings": _findings(section.findings),
    }


def _paired(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Place narrow blocks in pairs; a later one moves up beside an earlier one; an odd last one becomes
    wide.
    """
    narrow = [block for block in blocks if not block["wide"]]
    if len(narrow) % 2:
        narrow.pop()["wide"] = True
    partner = {id(a): b for a, b in zip(narrow[::2], narrow[1::2], strict=True)}
    moved = {id(b) for b in partner.values()}
    rows = [[b, partner[id(b)]] if id(b) in partner else [b] for b in blocks if id(b) not in moved]
    return [block for row in rows for block in row]


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    """Split text into ("p" or "pre", text): blank lines end paragraphs, four spaces mark code."""
    for part in text.replace("\r\n", "\n").split("\n\n"):
        lines = part.strip("\n").split("\n")
        if not part.strip():
            continue
        if all(line.startswith("    ") for line in lines):
            yield "pre", "\n".join(line[4:] for line in lines)
        else:
            yield "p", part.strip()


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    groups = []
    for severity, title in SEVERITIES.items():
        ours = [f for f in findings if f.severity == severity]
        if ours:
            rows = [
                {
                    "finding": f,
                    "count": format_number(f.count),
                    "first": f.items[:LISTED],
                    "more": f.items[LISTED : LISTED + MORE],
                    "rest": max(0, len(f.items) - LISTED - MORE),
                }
                for f in ours
            ]
            groups.append({"severity": severity, "title": title, "rows": rows})
    return groups


# --- exhibits -------------------------------------------------------------------------------


def _blocks(exhibit: Figure, prefix: str, image_of: Fetch) -> Iterator[dict[str, Any]]:
    """Template blocks of a report item."""
    if isinstance(exhibit, Table):
        yield _table(exhibit)
    elif isinstance(exhibit, PredictionGallery):
        shown = [_fetch(image_of, exhibit, i) for i in range(min(MAX_SHOWN, len(exhibit.ids)))]
        yield _gallery(exhibit, shown, len(exhibit.ids))
    elif isinstance(exhibit, ImageGrid):
        pairs = zip(exhibit.images, exhibit.captions, strict=True)
        shown = [
            _thumbnail(image, c, "", exhibit.pixelated, exhibit.side) for image, c in list(pairs)[:MAX_SHOWN]
        ]
        yield _gallery(exhibit, shown, len(exhibit.images))
    else:
        yield from _figure(exhibit, prefix)


def _figure(exhibit: RenderedFigure, prefix: str) -> Iterator[dict[str, Any]]:
    try:
        drawing, note = Markup(svg(exhibit, prefix)), exhibit.note
    except Exception as error:  # as for images: no figure may cost the user the rest of the report
        drawing, note = Markup(""), f"This figure could not be drawn ({type(error).__name__}: {error})."
    yield {"kind": "figure", "title": exhibit.title, "note": note, "svg": drawing, "wide": False}
    if isinstance(exhibit, Matrix) and len(exhibit.labels) > COUNTED:
        yield _table(_confusions(exhibit))


def _confusions(matrix: Matrix, most: int = 10) -> Table:
    """Table of the largest off-diagonal entries, for classes that the heat map cannot label."""
    counts = np.asarray(matrix.counts, dtype=float)
    sums = counts.sum(axis=1)
    off = counts * (1 - np.eye(len(counts)))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    cells = [divmod(int(n), len(counts)) for n in order if off.flat[n] > 0]
    rows = [
        [matrix.labels[i], matrix.labels[j], counts[i, j], f"{100 * counts[i, j] / sums[i]:.0f} %"]
        for i, j in cells
    ]
    return Table("Most frequent confusions", ("true", "taken for", "times", "share"), rows)


def _table(table: Table) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in _aligned(table.rows[:ROWS])]
    # the first column names the row, also where classes are called 0 to 9
    numeric = [i > 0 and bool(rows) and all(r[i].numeric for r in rows) for i in range(len(table.columns))]
    return {
        "kind": "table",
        "title": table.title,
        "note": _some(table.note, len(rows), len(table.rows), "rows"),
        "columns": list(zip(table.columns, numeric, strict=True)),
        "rows": rows,
        "numeric": numeric,
        "sortable": len(rows) > 5,
        "long": len(rows) > 25,
        "wide": len(table.columns) > 4 or any(c.small for r in rows for c in r),
    }


def _aligned(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Format the numbers of each column with the same number of digits."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for column in columns:
        fractions = [abs(v) for v in column if isinstance(v, float) and math.isfinite(v)]
        mixed = any(v % 1 for v in fractions)
        if mixed and all(v == 0 or 0.01 <= v < 1000 for v in fractions):
            column[:] = [f"{v:.3f}" if isinstance(v, float) else v for v in column]
    return [list(row) for row in zip(*columns, strict=True)]


def _cell(value: Any) -> Cell:
    if value is None:
        return Cell("–", numeric=True)
    if isinstance(value, Badge):
        return Cell(value.text, tone=value.tone)
    if isinstance(value, Score):
        head, small = _headline(value.text())
        return Cell(head, small, f"{value.value:.9g}" if math.isfinite(value.value) else "", True)
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float | np.number):
        return Cell(format_number(float(value)), sort=f"{float(value):.9g}", numeric=True)
    head, small = _headline(str(value))
    amount = _amount(head)
    return Cell(str(value)) if amount is None else Cell(head, small, f"{amount:.9g}", True)


def _amount(text: str) -> float | None:
    """Parse the number in a text such as '97.5 %' or '0.93'; None if there is none."""
    try:
        value = float(text.removesuffix("%").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and not text.strip().startswith("0x") else None


def _some(note: str, shown: int, whole: int, what: str) -> str:
    cut = f"The first {shown} of {format_number(whole)} {what} are shown." if shown < whole else ""
    return f"{note} {cut}".strip()


def _gallery(exhibit: PredictionGallery | ImageGrid, shown: list[Shown], whole: int) -> dict[str, Any]:
    note = _some(exhibit.note, len(shown), whole, "images")
    widest = max((p.width for p in shown), default=0)
    size = "pairs" if widest > 1.5 * SCENE_SIDE else "scenes" if widest > SIDE else ""
    return {
        "kind": "gallery",
        "title": exhibit.title,
        "note": note,
        "images": shown,
        "wide": True,
        "size": size,
    }


def _fetch(image_of: Fetch, gallery: PredictionGallery, i: int) -> Shown:
    id, caption = gallery.ids[i], gallery.captions[i]
    try:
        image = image_of(id)
        drawn = scene(gallery, i, image)
    except Exception as error:  # the report comes last: no image may cost the user the rest of it
        return Shown("", SIDE, False, caption, id, error=str(error) or type(error).__name__)
    if drawn is not None:
        return _thumbnail(drawn, caption, id, pixelated=False, side=max(drawn.shape[:2]))
    return _thumbnail(image, caption, id, pixelated=None)


def _thumbnail(image: Any, caption: str, id: str, pixelated: bool | None, side: int = SIDE) -> Shown:
    """Image as a data URI, reduced to the size of the page; `pixelated` None enlarges small ones
    unsmoothed.
    """
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size:
        received = f"{array.dtype} {array.shape}"
        return Shown("", SIDE, False, caption, id, error=f"Expected (H, W, 3 or 1) uint8, found {received}.")
    h, w = array.shape[:2]
    if max(h, w) > side:
        k = side / max(h, w)
        array = resize_to_input(array, (max(1, round(h * k)), max(1, round(w * k))), channels=array.shape[2])
    small = max(h, w) <= 64
    coded = encode_png(array) if small else encode_jpeg(array, 85)
    uri = f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(coded).decode()}"
    width = round(side * array.shape[1] / max(array.shape[:2]))
    return Shown(uri, width, small if pixelated is None else pixelated, caption, id)
