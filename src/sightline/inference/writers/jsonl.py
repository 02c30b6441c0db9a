"""One JSON object an image, with all that the task says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from sightline.inference.presenters import codes
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Write, WriterContext, text_file
from sightline.runtime.rows import Row

NAME, ENDING = "jsonl", ".jsonl"


@contextmanager
def open_writer(context: WriterContext) -> Iterator[Write]:
    """One JSON object a picture, with all that the task says of it."""
    with text_file(context.out) as stream:
        yield lambda answer: _line(stream, answer)


def full_row(answer: Answer) -> Row:
    """All that is said of a picture: its row, and the masks of its objects."""
    row = answer.outcome.row
    masks = codes(answer.outcome.prediction) if "boxes" in row else []
    return {**row, "masks": masks} if masks else row


def _line(stream: TextIO, answer: Answer) -> None:
    row, error = full_row(answer), answer.outcome.error
    stream.write(json.dumps({**row, "error": error} if error else row, ensure_ascii=False) + "\n")
