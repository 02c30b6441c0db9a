"""Class maps as PNG files of class ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from sightline.core.targets.masks import VOID
from sightline.data.io.encode import encode_png
from sightline.errors import UsageError
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Write, WriterContext, unique_names, unused
from sightline.ops.draw import Colour, colour_of

NAME, HOLDS = "masks", "maps"


@contextmanager
def open_writer(context: WriterContext) -> Iterator[Write]:
    """A PNG of class ids as annotated for each picture, under its name; and classes.json with their names.

    Nothing that is there is overwritten: it may be somebody's truth.
    """
    if max(context.ids, default=0) > VOID:
        raise UsageError(f"A PNG of 8 bits holds class ids up to {VOID}. Received {max(context.ids)}.")
    for name in ("classes.json", *unique_names(context, ".png")):
        unused(context.out / name)
    context.out.mkdir(parents=True, exist_ok=True)
    table = dict(zip(map(str, context.ids), context.names, strict=True))
    text = json.dumps(table, ensure_ascii=False, indent=1)
    (context.out / "classes.json").write_text(f"{text}\n", encoding="utf-8")
    ids = np.full(VOID + 1, VOID, dtype=np.uint8)
    ids[: len(context.ids)] = context.ids
    palette = _palette(context.ids)

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if not outcome.error:
            file = unused(context.out / answer.input.file(".png"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(ids[outcome.prediction.map(0)], palette))

    yield write


def _palette(ids: Sequence[int]) -> list[Colour]:
    """A colour for each number from 0 to 255: that of the class whose id it is."""
    palette: list[Colour] = [(0, 0, 0)] * (VOID + 1)
    for k, number in enumerate(ids):
        palette[number] = colour_of(k)
    return palette
