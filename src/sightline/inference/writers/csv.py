"""Writer of CSV tables: one row for each image, or for each object."""

from __future__ import annotations

import csv

from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, text_file
from sightline.runtime.rows import Row


class CsvWriter(Writer):
    """Rows with the columns of the first prediction; the column `error` has unreadable files.

    Until there is a prediction, rows wait.
    """

    name, ending = "csv", ".csv"

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        self._stream = text_file(context.out)
        self._table: csv.DictWriter[str] | None = None
        self._waiting: list[Row] = []

    def write(self, answer: Answer) -> None:
        """Write the rows of one image."""
        outcome, kind = answer.outcome, self.context.kind
        if outcome.error:
            rows = [{**outcome.row, "error": outcome.error}]
        else:
            rows = kind.table(outcome.prediction, outcome.row, self.context.names)
            if self._table is None:
                self._begin(kind.columns(outcome.row))
        if self._table is None:
            self._waiting += rows
        else:
            self._table.writerows(rows)

    def _begin(self, columns: list[str]) -> None:
        """Write the header, and the rows that waited for it."""
        self._table = csv.DictWriter(self._stream, [*columns, "error"], restval="", extrasaction="ignore")
        self._table.writeheader()
        self._table.writerows(self._waiting)
        self._waiting = []

    def close(self) -> None:
        """Write rows that still wait, if nothing was predicted."""
        with self._stream:
            if self._waiting:
                self._begin(["path"])


WRITER = CsvWriter
