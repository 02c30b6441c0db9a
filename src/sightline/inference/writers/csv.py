"""A table: one row an image, or one an object."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sightline.inference.sources import Answer
from sightline.inference.writers.context import Write, WriterContext, text_file
from sightline.runtime.rows import Row

NAME, ENDING = "csv", ".csv"


@contextmanager
def open_writer(context: WriterContext) -> Iterator[Write]:
    """Rows under the columns of the first prediction; the column `error` says what was not read.

    Until there is a prediction, rows wait.
    """
    waiting: list[Row] = []
    writer: list[Any] = []

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            waiting.append({**outcome.row, "error": outcome.error})
        else:
            waiting.extend(context.kind.table(outcome.prediction, outcome.row, context.names))
        if not writer and not outcome.error:
            columns = [*context.kind.columns(outcome.row), "error"]
            writer.append(csv.DictWriter(stream, columns, restval="", extrasaction="ignore"))
            writer[0].writeheader()
        while writer and waiting:
            writer[0].writerow(waiting.pop(0))

    with text_file(context.out) as stream:
        yield write
        if waiting:
            rest = csv.DictWriter(stream, ["path", "error"], extrasaction="ignore")
            rest.writeheader()
            rest.writerows(waiting)
