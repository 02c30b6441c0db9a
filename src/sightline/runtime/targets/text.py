"""Captions of one image."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...core.word_pieces import WordPieces
from ...ops.draw import captioned
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays

WIDTH = 46
"""Characters of a line below an image."""


@dataclass(frozen=True, eq=False)
class CaptionArrays(TargetArrays):
    """Texts of an image: of a prediction one.

    Attributes:
        texts: The texts.
        score: Mean probability of the word pieces, in [0, 1], or None for an annotation.
        ended: Whether the model ended the text, or None for an annotation.
    """

    texts: tuple[str, ...]
    score: float | None = None
    ended: bool | None = None
    kind = "text"
    outputs = ("tokens", "score")

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> CaptionArrays:
        """The text of the word pieces, whose vocabulary is among the settings."""
        del stored
        text, ended = _vocabulary(tuple(settings["pieces"])).decode(outputs["tokens"].astype(int).tolist())
        return cls((text,), float(outputs["score"]), ended)

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        """caption (several are divided by "|"), and of a prediction confidence and whether it was ended."""
        del names, outputs
        row: Row = {"caption": " | ".join(self.texts)}
        if self.score is not None:
            row["confidence"] = round(self.score, 6)
        return row | ({} if self.ended is None else {"ended": self.ended})

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """The captions below the image."""
        del names
        for line in (line for text in row["caption"].split(" | ") for line in textwrap.wrap(text, WIDTH)):
            image = captioned(image, line)
        return image


@lru_cache(maxsize=8)
def _vocabulary(pieces: tuple[str, ...]) -> WordPieces:
    return WordPieces(pieces)


TARGET = CaptionArrays
