"""Writer of JSON lines: one object for each image, with the full record."""

from __future__ import annotations

import json

from sightline.inference.presenters import rle_codes
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, text_file
from sightline.runtime.rows import Row


class JsonlWriter(Writer):
    """One line for each image."""

    name, ending = "jsonl", ".jsonl"

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        self._stream = text_file(context.out)

    def write(self, answer: Answer) -> None:
        """Write one line."""
        row, error = full_row(answer), answer.outcome.error
        self._stream.write(json.dumps({**row, "error": error} if error else row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def full_row(answer: Answer) -> Row:
    """Full record of an image: its row, and the masks of its objects."""
    outcome = answer.outcome
    return outcome.row if outcome.error else {**outcome.row, **rle_codes(outcome.prediction)}


WRITER = JsonlWriter
