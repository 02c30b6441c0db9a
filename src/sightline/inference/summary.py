"""Summary of a prediction: counts, errors and the first rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline.console import say
from sightline.core.predictor import Outcome
from sightline.core.report import Figure, Table
from sightline.inference.sources import Sources
from sightline.runtime.rows import Row

MAX_SHOWN = 20
"""Rows that the terminal shows."""


@dataclass
class Predicted:
    """Result of a prediction command.

    Attributes:
        total: Images and frames that were tried.
        errors: (file, reason) of those that could not be read.
        out: Where the result was written, or None.
        rows: The first rows.
        shown: The same as the terminal shows them.
        left_out: Files in folders that were left out for their ending, counted by it.
        hidden: Files and folders that were left out as hidden, or left behind by a system or program.
        without: Images in which no object was found; None where objects are not looked for.
        counts: What crossed the lines and was in the zones of each film.
        time_line: What happens when, in films that are seen in windows.
        views: Views of each item whose answers were averaged.
        item: What one of them is called: "image", "clip" ...
    """

    total: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    out: Path | None = None
    rows: list[Row] = field(default_factory=list)
    shown: list[Row] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    hidden: int = 0
    without: int | None = None
    counts: list[Row] = field(default_factory=list)
    time_line: list[Row] = field(default_factory=list)
    views: int = 1
    item: str = "image"

    @classmethod
    def of(cls, sources: Sources, out: Path | None, without: int | None, views: int) -> Predicted:
        """The summary before anything is predicted."""
        summary = cls(out=out, left_out=dict(sources.left_out), hidden=len(sources.hidden), without=without)
        summary.views, summary.item = views, sources.item
        return summary

    @property
    def exit_code(self) -> int:
        """1 if a file could not be read."""
        return int(bool(self.errors))

    def add(self, outcome: Outcome, live: bool) -> None:
        """Count an outcome, and keep what the terminal or --json shows.

        Args:
            outcome: What came of an image or frame.
            live: Whether it is of a camera or stream, whose rows are too many to keep.
        """
        self.total += 1
        if outcome.error:
            self.errors.append((outcome.id, outcome.error))
            say(f"{outcome.id}: {outcome.error}")
            return
        if self.without is not None and not len(outcome.prediction.labels):
            self.without += 1
        if len(self.rows) < MAX_SHOWN or (self.out is None and not live):
            self.rows.append(outcome.row)
        if len(self.shown) < MAX_SHOWN:
            cells = outcome.row.items()
            plain = {k: v for k, v in cells if not k.startswith("prob_") and not isinstance(v, list | dict)}
            self.shown.append(plain)

    def to_json(self) -> dict[str, Any]:
        """Counts, errors, and the rows."""
        document = {
            "total": self.total,
            "errors": [{"file": f, "reason": r} for f, r in self.errors],
            "left_out": self.left_out,
            "hidden": self.hidden,
            "out": None if self.out is None else str(self.out),
            "rows": self.rows,
        }
        if self.views > 1:
            document["views"] = self.views
        if self.counts:
            document["counts"] = self.counts
        if self.time_line:
            document["time_line"] = self.time_line
        return document if self.without is None else {**document, "without_objects": self.without}

    def figures(self) -> list[Figure]:
        """The first rows and the errors, for the terminal."""
        items: list[Figure] = []
        if self.shown:
            columns = list(self.shown[0])
            note = f"{len(self.shown)} of {self.total} {self.item}s"
            note += f"; means of {self.views} views of each" if self.views > 1 else ""
            note += f"; all in {self.out}" if self.out else ""
            note += f"; nothing was found in {self.without} of them" if self.without else ""
            rows = [[row.get(c, "") for c in columns] for row in self.shown]
            items.append(Table("Predictions", columns, rows, note))
        if self.time_line:
            first = self.time_line[:MAX_SHOWN]
            more = len(self.time_line) - len(first)
            note = f"{more} more; --json has all" if more else ""
            lines = [list(row.values()) for row in first]
            items.append(Table("Time line", list(first[0]), lines, note))
        for what in ("line", "zone"):
            counts = [row for row in self.counts if row["where"].startswith(what)]
            if counts:
                names = [name.replace("_", " ") for name in counts[0]]
                items.append(Table(f"Counts of each {what}", names, [list(row.values()) for row in counts]))
        if self.errors:
            items.append(Table("Not read", ["file", "reason"], self.errors))
        return items
