"""Predict for files, folders and globs; write a table, JSON lines or annotated pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.predictor import Outcome
from sightline.core.report import Exhibit, Table
from sightline.data.images import decode, encode_png
from sightline.errors import UsageError
from sightline.ops.draw import captioned
from sightline.talk import say, track
from sightline.verbs.load import ModelPredictor

SHOWN = 20
"""Rows that the terminal shows."""


@dataclass
class Predicted:
    """What came of it.

    Attributes:
        total: Files that were tried.
        errors: (file, reason) of those that could not be read.
        out: Where the result was written, or None.
        rows: The first rows.
    """

    total: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    out: Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 if a file could not be read."""
        return int(bool(self.errors))

    def to_json(self) -> dict[str, Any]:
        """Counts, errors, and the rows."""
        return {
            "total": self.total,
            "errors": [{"file": f, "reason": r} for f, r in self.errors],
            "out": None if self.out is None else str(self.out),
            "rows": self.rows,
        }

    def exhibits(self) -> list[Exhibit]:
        """The first rows and the errors, for the terminal."""
        found: list[Exhibit] = []
        shown = self.rows[:SHOWN]
        if shown:
            columns = [c for c in shown[0] if not c.startswith("p(")]
            note = f"{len(self.rows)} of {self.total} files" + (f"; all in {self.out}" if self.out else "")
            found.append(
                Table("Predictions", columns, [[r.get(c, "") for c in columns] for r in shown], note)
            )
        if self.errors:
            found.append(Table("Not read", ["file", "reason"], self.errors))
        return found


def run(
    run: Path,
    source: Sequence[str],
    *,
    out: Path | None = None,
    batch_size: int = 64,
    device: str = "auto",
    top: int | None = None,
) -> Predicted:
    """See `sightline.api.predict`."""
    if batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1. Received {batch_size}.")
    predictor = ModelPredictor(Path(run), device)
    sources = [source] if isinstance(source, str | Path) else list(source)
    found = Predicted(out=None if out is None else Path(out))
    with _writer(found.out) as write:
        for outcome in track(predictor.predict(sources, batch_size=batch_size), "predicting"):
            found.total += 1
            row = {"path": outcome.id, **_top(outcome.row, top)}
            if outcome.error:
                found.errors.append((outcome.id, outcome.error))
                say(f"{outcome.id}: {outcome.error}")
            elif found.out is None or len(found.rows) < SHOWN:
                found.rows.append(row)
            write(outcome, row)
    return found


def _top(row: dict[str, Any], top: int | None) -> dict[str, Any]:
    """The row with only the `top` largest probabilities."""
    if top is None:
        return row
    scores = sorted((k for k in row if k.startswith("p(")), key=lambda k: -row[k])
    return {k: v for k, v in row.items() if not k.startswith("p(") or k in scores[:top]}


@contextmanager
def _writer(out: Path | None) -> Iterator[Callable[[Outcome, dict[str, Any]], None]]:
    """A function that takes outcomes as they come."""
    if out is None:
        yield lambda outcome, row: None
    elif out.suffix in (".csv", ".jsonl"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as stream:
            if out.suffix == ".jsonl":
                yield _lines(stream)
            else:
                waiting: list[dict[str, Any]] = []
                yield _csv(stream, waiting)
                if waiting:
                    writer = csv.DictWriter(stream, ["path", "error"], extrasaction="ignore")
                    writer.writeheader()
                    writer.writerows(waiting)
    elif out.suffix == "":
        out.mkdir(parents=True, exist_ok=True)
        yield lambda outcome, row: _picture(out, outcome, row)
    else:
        raise UsageError(f"--out must end in .csv or .jsonl, or be a folder for pictures. Received '{out}'.")


def _csv(stream: Any, waiting: list[dict[str, Any]]) -> Callable[[Outcome, dict[str, Any]], None]:
    """Rows under the columns of the first prediction; the column `error` says what was not read.

    Until there is a prediction, rows wait in `waiting`.
    """
    writer: list[Any] = []

    def write(outcome: Outcome, row: dict[str, Any]) -> None:
        waiting.append({**row, "error": outcome.error})
        if not writer and not outcome.error:
            writer.append(csv.DictWriter(stream, [*row, "error"], restval="", extrasaction="ignore"))
            writer[0].writeheader()
        while writer and waiting:
            writer[0].writerow(waiting.pop(0))

    return write


def _lines(stream: Any) -> Callable[[Outcome, dict[str, Any]], None]:
    def write(outcome: Outcome, row: dict[str, Any]) -> None:
        kept = {**row, "error": outcome.error} if outcome.error else row
        stream.write(json.dumps(kept, ensure_ascii=False) + "\n")

    return write


def _picture(folder: Path, outcome: Outcome, row: dict[str, Any]) -> None:
    """The picture with its prediction written under it; names that clash get a number."""
    if outcome.error:
        return
    words = [f"{v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items()
             if k != "path" and not k.startswith("p(")]  # fmt: skip
    image: np.ndarray = captioned(decode(Path(outcome.id)), " ".join(words))
    stem, n = Path(outcome.id).stem, 0
    file = folder / f"{stem}.png"
    while file.exists():
        n += 1
        file = folder / f"{stem}-{n}.png"
    file.write_bytes(encode_png(image))
